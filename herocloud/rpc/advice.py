"""Advice for callers of the API: what the layers below say in commands is said in methods and parameters."""

import re
from collections.abc import Mapping
from typing import Any

_RESUME = re.compile(r"`herocloud resume(?: (apply-\d+))?( --rollback)?(?: --approve ([a-z,]+))?`")
_UNDO = re.compile(r"`herocloud undo (apply-\d+)`")
_LOG = re.compile(r"`herocloud state log`")


def resuming(apply: str | None, *, rollback: bool = False, approve: str = "") -> str:
    """Say how an apply that did not end is finished, or taken back."""
    classes = ", ".join(f'"{word}"' for word in approve.split(",") if word)
    given = [f'which: "{apply}"'] * bool(apply) + ["rollback: true"] * rollback + [f"approve: [{classes}]"] * bool(classes)
    return f"`resume_stack` with `{', '.join(given)}`" if given else "`resume_stack`"


def in_methods(text: str) -> str:
    """Return advice about applies in the words of the API; everything else stays as it is."""
    text = _RESUME.sub(lambda found: resuming(found[1], rollback=bool(found[2]), approve=found[3] or ""), text)
    text = _UNDO.sub(lambda found: f'`undo` with `which: "{found[1]}"`', text)
    return _LOG.sub("`state_log`", text)


def of_error(data: Any) -> Any:
    """Return the data of an error with its diagnostics in the words of the API."""
    if not isinstance(data, Mapping) or "diagnostics" not in data:
        return data
    return {**data, "diagnostics": [_translated(diagnostic) for diagnostic in data["diagnostics"]]}


def _translated(diagnostic: Mapping[str, Any]) -> dict[str, Any]:
    return {**diagnostic, **{name: in_methods(diagnostic[name]) for name in ("detail", "hint") if diagnostic.get(name)}}
