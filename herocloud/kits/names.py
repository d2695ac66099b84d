"""The nearest valid name to a mistyped one, for `did you mean` hints."""

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
