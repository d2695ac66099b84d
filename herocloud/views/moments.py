"""Times of day, always in UTC: logs of several hosts get compared, and a local time would need its zone beside it."""

import time


def stamp(seconds: float) -> str:
    """Write a time for machines, with milliseconds: `2026-11-21T10:00:00.250Z`."""
    whole = int(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int((seconds - whole) * 1000):03d}Z"


def show(seconds: float) -> str:
    """Write a time for people: `2026-11-21 10:00:00 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(seconds)))
