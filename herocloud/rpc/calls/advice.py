"""Advice for callers of the API: what the layers below say in commands and flags is said in methods and parameters.

A command that has no method, like `herocloud doctor`, stays as it is: it is for the people who run the host. The same ways out stand as
data beside the diagnostics, for programs, which read no sentences.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
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
    "state list": _Way("get_stack"),
    "state log": _Way("state_log"),
    "state orphans": _Way("list_orphans"),
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
_VALUES = {"--hypervisor": "hypervisor", "--name": "name", "--snapshot": "snapshot", "--stack": "stack", "--which": "which"}
_LISTS = {"--approve": "approve", "--exclude": "exclude", "--target": "target", "--replace": "replace"}
_METHODS = {method for way in _WAYS.values() for method in way.method.split("` and `")} | {
    "cancel_job", "get_job", "list_jobs", "list_orphans", "list_stacks", "list_unfinished", "node_register", "resources",
}  # fmt: skip
_OF_THE_PLAN = frozenset({"exclude", "replace", "target", "variables"})
_CALL = re.compile(r"`([a-z_]+)`(?: and `([a-z_]+)`)?(?: for `([^`]+)`)?(?: with `([^`]*)`)?")
_PARAMETER = re.compile(r"(?:^|, )([a-z_]+): ")
_QUOTED = re.compile(r"`(?:herocloud )?([a-z-][^`\n]*)`")


_ONLY_IN_A_TERMINAL = re.compile(
    r" or `HEROCLOUD_VAR_[^`]*`| give more time with `--lock-timeout`,|, or delete the file and get a commented one from `herocloud init`"
)
"""Ways out that callers do not have beside others that they have."""
_LEFT_OUT = re.compile(r", or leave `[^`]*` out with `--exclude [^`]*`")
_OF_A_STACK_FILE = frozenset({"validate_stack", "plan_stack", "get_plan", "apply_plan"})
"""Methods whose callers can plan with `exclude`; no other one has it."""


def resuming(apply: str | None, *, rollback: bool = False) -> str:
    """Say how an apply that did not end is finished, or taken back."""
    return in_methods(f"`herocloud resume{f' {apply}' if apply else ''}{' --rollback' if rollback else ''}`")


def in_methods(text: str) -> str:
    """Return a text in the words of the API; what has none there stays as it is."""
    return _QUOTED.sub(_replace, _ONLY_IN_A_TERMINAL.sub("", text))


def of_error(data: Any, method: str) -> Any:
    """Return the data of an error of this method with its diagnostics in the words of the API, and with the calls that they name."""
    if not isinstance(data, Mapping) or "diagnostics" not in data:
        return data
    diagnostics = [_translated(diagnostic, method) for diagnostic in data["diagnostics"]]
    return {**data, "diagnostics": diagnostics, "ways": _find_all(diagnostics)}


def _find_all(diagnostics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    # Where there is a hint, it says the way out, and the detail what happened.
    found = [way for diagnostic in diagnostics for way in find_ways(diagnostic.get("hint") or diagnostic.get("detail") or "")]
    return [way for number, way in enumerate(found) if way not in found[:number]]


def find_ways(text: str) -> list[dict[str, Any]]:
    """Return the calls that a text in the words of the API names: `method`, `params`, and in `about` the VM that its `sid` is to name."""
    found = []
    for match in _CALL.finditer(text):
        *methods, about, given = match.groups()
        methods = [method for method in methods if method is not None]
        params = _read_parameters(given or "")
        for method in methods if _METHODS.issuperset(methods) else ():
            # Of the two calls that an apply is, each has its own.
            own = {name: value for name, value in params.items() if len(methods) == 1 or (name in _OF_THE_PLAN) == (method == "plan_stack")}
            found.append({"method": method, "params": own, "about": about})
    return found


def _read_parameters(text: str) -> dict[str, Any]:
    """Return the parameters that have values; the others are the caller's to choose."""
    found = {}
    for match in _PARAMETER.finditer(text):
        try:
            found[match[1]], _ = json.JSONDecoder().raw_decode(text, match.end())
        except ValueError:
            continue
    return found


def _translated(diagnostic: Mapping[str, Any], method: str) -> dict[str, Any]:
    texts = {name: diagnostic[name] for name in ("detail", "hint") if diagnostic.get(name)}
    if method not in _OF_A_STACK_FILE:
        texts = {name: _LEFT_OUT.sub("", text) for name, text in texts.items()}
    return {**diagnostic, **{name: in_methods(text) for name, text in texts.items()}}


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
