"""The nearest valid name to a mistyped one, for `did you mean` hints, and numbers as lower-case base 36, the digits of every `sid`."""

from collections.abc import Iterable


def nearest(wrong: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that looks most like `wrong`, or nothing when none is close enough to be meant."""
    # difflib costs 2 ms to import and is only needed once something is wrong already.
    import difflib

    candidates = sorted(valid)
    close = difflib.get_close_matches(wrong, candidates, n=1, cutoff=0.6)
    if close:
        return close[0]
    lowered = {candidate.lower().replace("_", "-"): candidate for candidate in candidates}
    return lowered.get(wrong.lower().replace("_", "-"))


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def encode(number: int) -> str:
    """Write a number that is not negative in base 36."""
    if number == 0:
        return "0"
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text


def decode(text: str) -> int:
    """Read base 36 digits back; upper case is refused, because a sid has one spelling."""
    if text != text.lower() or not text:
        msg = f"not lower-case base 36: {text!r}"
        raise ValueError(msg)
    return int(text, 36)
