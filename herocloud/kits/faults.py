"""Named points at which a test may make this process die, fail or stall.

Crash safety can only be tested where the crash can be aimed. `HEROCLOUD_FAULTS` holds rules `name:nth:what`, separated by commas;
`what` is `kill` (SIGKILL, as a power cut looks to us), `enospc`, `eio`, `erofs` or `term`. Without the variable a point costs one
dictionary look-up. The rejected alternative, patching functions from the tests, cannot reach into a real subprocess.
"""

import errno
import os
import signal

_ERRORS = {"enospc": errno.ENOSPC, "eio": errno.EIO, "erofs": errno.EROFS}
_ACTS = ("kill", "term", *_ERRORS)


def _parse(text: str) -> dict[str, tuple[int, str]]:
    rules: dict[str, tuple[int, str]] = {}
    for rule in filter(None, text.split(",")):
        name, nth, what = rule.rsplit(":", 2) if rule.count(":") > 1 else (rule, "", "")
        if not nth.isdecimal() or what not in _ACTS:
            raise SystemExit(f"HEROCLOUD_FAULTS: `{rule}` is not a rule; write `point:number:act` with {', '.join(_ACTS)} as the act")
        rules[name] = (int(nth), what)
    return rules


_rules = _parse(os.environ.get("HEROCLOUD_FAULTS", ""))
_counts: dict[str, int] = {}


def reached(name: str) -> None:
    """Tell that the process is at the point `name`; act when a rule says so. `*` in a rule stands for every point."""
    if not _rules:
        return
    for key in (name, "*"):
        rule = _rules.get(key)
        if rule is None:
            continue
        _counts[key] = _counts.get(key, 0) + 1
        if _counts[key] == rule[0]:
            _act(rule[1], name)


def _act(what: str, name: str) -> None:
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        number = _ERRORS[what]
        raise OSError(number, f"{os.strerror(number)} (injected at {name})")
