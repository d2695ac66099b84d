"""When to try a step again, as arithmetic.

The provider knows best how long its trouble lasts, so its own delay is the first wait; each further one doubles, up to a bound.
There is no jitter: jitter keeps many clients of one server apart, and here one executor speaks to one host.
"""

ATTEMPTS = 8
"""How often a step is tried at most. With a first delay of one second that is about two minutes of patience."""

LONGEST = 30.0
"""Seconds that a single wait never exceeds."""

SHORTEST = 0.01
"""Seconds that a single wait is at least, so that a provider that asks for no delay cannot make the executor spin."""


def next_delay(failures: int, asked: float, left: float) -> float | None:
    """Return the seconds to wait after this many failures, or nothing when trying again is over.

    `asked` is the delay that the provider named, `left` the time that the step still has before its time-out.
    """
    if failures >= ATTEMPTS:
        return None
    delay = min(max(asked, SHORTEST) * 2 ** (failures - 1), LONGEST)
    return delay if delay < left else None
