"""Moments as text. Whatever number a file or a database holds, something can be printed of it."""

import time

_FIRST, _LAST = 0, 253402300799
"""From 1970 to the end of the year 9999: what calendars, and those who read them, can do something with."""


def write_utc(seconds: float, form: str) -> str:
    """Write a moment of UTC in a form of `strftime`; one outside of the calendar becomes its first or last moment."""
    return time.strftime(form, time.gmtime(clamp(seconds)))


def clamp(seconds: float) -> float:
    """Return the nearest moment that the calendar has; nothing that is not a number is one."""
    return min(max(seconds, _FIRST), _LAST) if seconds == seconds else _FIRST  # noqa: PLR0124  (only NaN differs from itself)
