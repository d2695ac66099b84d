"""Advice for callers of the API: what the layers below say in commands and flags is said in methods and parameters.

A command that has no method, like `herocloud doctor`, stays as it is: it is for the people who run the host.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class _Way(NamedTuple):
    """The method that does what a command does."""

    method: str
    names: tuple[str, ...] = ()
    """What its words mean, in their order; `for` names what it is about, which is a parameter of the caller's call already."""


_FOR = "for"
_WAYS: Mapping[str, _Way] = {
    "apply": _Way("plan_stack` and `apply_plan"),
    "destroy": _Way("destroy_stack"),
    "drift": _Way("drift"),
    "export": _Way("export"),
    "plan": _Way("plan_stack"),
    "resume": _Way("resume_stack", ("which",)),
    "slice list": _Way("list_slices"),
    "state log": _Way("state_log"),
    "undo": _Way("undo", ("which",)),
    "validate": _Way("validate_stack"),
    "vm clone": _Way("clone_vm", (_FOR, "name")),
    "vm delete": _Way("delete_vm", (_FOR,)),
    "vm list": _Way("list_vms"),
    "vm logs": _Way("vm_logs", (_FOR,)),
    "vm restart": _Way("restart_vm", (_FOR,)),
    "vm show": _Way("get_vm", (_FOR,)),
    "vm snapshot create": _Way("create_snapshot", (_FOR, "name")),
    "vm snapshot delete": _Way("delete_snapshot", (_FOR, "name")),
    "vm snapshot list": _Way("list_snapshots", (_FOR,)),
    "vm snapshot restore": _Way("restore_snapshot", (_FOR, "name")),
    "vm start": _Way("start_vm", (_FOR,)),
    "vm stop": _Way("stop_vm", (_FOR,)),
}
_SWITCHES = {
    "--rollback": "rollback: true",
    "--purge": "purge: true",
    "--force": "force: true",
    "--memory": "memory: true",
    "--no-memory": "memory: false",
}
_VALUES = {"--name": "name", "--snapshot": "snapshot", "--stack": "stack", "--which": "which"}
_LISTS = {"--approve": "approve", "--exclude": "exclude", "--target": "target", "--replace": "replace"}
_QUOTED = re.compile(r"`(?:herocloud )?([a-z-][^`\n]*)`")


def resuming(apply: str | None, *, rollback: bool = False) -> str:
    """Say how an apply that did not end is finished, or taken back."""
    return in_methods(f"`herocloud resume{f' {apply}' if apply else ''}{' --rollback' if rollback else ''}`")


def in_methods(text: str) -> str:
    """Return a text in the words of the API; what has none there stays as it is."""
    return _QUOTED.sub(_replace, text)


def of_error(data: Any) -> Any:
    """Return the data of an error with its diagnostics in the words of the API."""
    if not isinstance(data, Mapping) or "diagnostics" not in data:
        return data
    return {**data, "diagnostics": [_translated(diagnostic) for diagnostic in data["diagnostics"]]}


def _translated(diagnostic: Mapping[str, Any]) -> dict[str, Any]:
    return {**diagnostic, **{name: in_methods(diagnostic[name]) for name in ("detail", "hint") if diagnostic.get(name)}}


def _replace(found: re.Match[str]) -> str:
    whole, inside = found[0], found[1]
    if not whole.startswith("`herocloud ") and not inside.startswith("--"):
        return whole
    try:
        words = shlex.split(inside)
        # The longest command counts: `vm snapshot delete` is no `vm`.
        length = next((count for count in (3, 2, 1) if " ".join(words[:count]) in _WAYS), 0)
        way = _WAYS[" ".join(words[:length])] if length else None
        if way is None and not inside.startswith("--"):
            return whole
        return _write(way, words[length:])
    except (ValueError, StopIteration):
        # A flag that no method has, or more words than it knows.
        return whole


def _write(way: _Way | None, words: list[str]) -> str:
    names = iter(way.names if way else ())
    subject, parameters, left = "", [], iter(words)
    for word in left:
        if word.startswith("--"):
            parameters.append(_flag(word, left))
        elif (name := next(names)) == _FOR:
            subject = f" for `{word}`"
        else:
            parameters.append(f'{name}: "{word}"')
    given = f"`{', '.join(parameters)}`" if parameters else ""
    if way is None:
        return given
    return f"`{way.method}`{subject}{' with ' if given else ''}{given}"


def _flag(flag: str, left: Iterator[str]) -> str:
    """Return the parameter that a flag is, with what follows it; a flag alone is its name."""
    if flag in _SWITCHES:
        return _SWITCHES[flag]
    value = next(left, None)
    if flag in _LISTS:
        words = ", ".join(f'"{word}"' for word in (value or "").split(",") if word)
        return f"{_LISTS[flag]}: [{words}]" if words else _LISTS[flag]
    if flag == "--var":
        name, _, given = (value or "").partition("=")
        return f'variables: {{"{name}": "{given}"}}' if given else "variables"
    if flag not in _VALUES:
        raise ValueError(flag)
    return _VALUES[flag] if value is None else f'{_VALUES[flag]}: "{value}"'
