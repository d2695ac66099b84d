"""Instances of a VM put together again under one `count`.

Values that differ from one instance to the next only by a number that grows with it become `{{ index }}`. Instances that differ in
another way, or a row with a gap, cannot be one block: each becomes a VM of its own, with a rename that keeps the machine.
"""

import re
from collections.abc import Sequence
from typing import Any

from herocloud.model.ids import split_address
from herocloud.model.worlds import Record

Fields = dict[str, Any]
_NUMBER = re.compile(r"\d+")


class _Different(Exception):
    """Two instances cannot be told by one text."""


def protect_braces(value: Any) -> Any:
    """Write braces that are no expression so that they are read as braces."""
    if isinstance(value, str):
        return value.replace("{{", "{{ '{{' }}")
    if isinstance(value, dict):
        return {key: protect_braces(inner) for key, inner in value.items()}
    return [protect_braces(inner) for inner in value] if isinstance(value, list) else value


def gather(exported: Sequence[tuple[Record, Fields]]) -> tuple[Fields, list[dict[str, str]]]:
    """Return the blocks under `vms`, and the renames that they need."""
    groups: dict[str, dict[int | None, tuple[Record, Fields]]] = {}
    for record, fields in exported:
        parts = split_address(record.address)
        if parts is not None:
            groups.setdefault(parts.name, {})[parts.number] = (record, fields)
    whole = {name: list(group) for name, group in groups.items()}
    vms: Fields = {}
    moved: list[dict[str, str]] = []
    renamed: dict[str, str] = {}
    taken = set(groups)
    for name, group in groups.items():
        block = _as_one(group)
        if block is not None:
            vms[name] = block
            continue
        for number, (record, fields) in group.items():
            own = _free_name(f"{name}-{number}", taken)
            vms[own] = fields
            renamed[record.address] = own
            moved.append({"from": record.address, "to": f"vm.{own}"})
    needs = {record.address: record.needs for record, _fields in exported}
    for name, group in groups.items():
        for record, _fields in group.values():
            waits = _dependencies(needs[record.address], whole, renamed)
            if waits:
                vms[renamed.get(record.address, name)]["depends_on"] = waits
    return vms, moved


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "x"
    taken.add(name)
    return name


def _as_one(group: dict[int | None, tuple[Record, Fields]]) -> Fields | None:
    if None in group:
        return group[None][1] if len(group) == 1 else None
    numbers = sorted(number for number in group if number is not None)
    if numbers != list(range(len(numbers))):
        return None
    instances = [dict(group[number][1]) for number in numbers]
    # Every instance has a seed of its own; the plan keeps the recorded ones.
    for fields in instances:
        if len(instances) > 1 and "mycelium" in fields:
            fields["mycelium"] = True
    needs = [{need for need in group[number][0].needs if need.startswith("vm.")} for number in numbers]
    if any(need != needs[0] for need in needs):
        return None
    try:
        same: Fields = _unite(instances)
    except _Different:
        return None
    return {"count": len(numbers), **same}


def _unite(values: Sequence[Any], *, numbers: bool = False) -> Any:
    """Return the one value that stands for all; `numbers` where a number may stand for a text."""
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, dict) and value.keys() == first.keys() for value in values):
        return {key: _unite([value[key] for value in values], numbers=numbers or key in {"env", "labels"}) for key in first}
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        return [_unite(column, numbers=numbers) for column in zip(*values, strict=True)]
    if all(isinstance(value, str) for value in values):
        return _unite_texts(values, numbers=numbers)
    raise _Different


def _unite_texts(texts: Sequence[str], *, numbers: bool) -> str:
    """Find the one number in a text that grows with the instance: `web-0`, `web-1` is `web-{{ index }}`."""
    for match in _NUMBER.finditer(texts[0]):
        if match.group() != str(int(match.group())):
            continue
        base = int(match.group())
        plus = f" + {base}" if base else ""
        before, after = texts[0][: match.start()], texts[0][match.end() :]
        if not numbers and not before and not after:
            continue  # A value that is only an expression would come back as a number.
        if all(text == f"{before}{base + number}{after}" for number, text in enumerate(texts)):
            return f"{before}{{{{ index{plus} }}}}{after}"
    raise _Different


def _dependencies(needs: Sequence[str], whole: dict[str, list[int | None]], renamed: dict[str, str]) -> list[str]:
    """Return the VMs that a VM waits for; all instances of one are written as one."""
    waits: dict[str, None] = {}
    asked = set(needs)
    for need in needs:
        parts = split_address(need)
        if parts is None or parts.kind != "vm":
            continue
        if need in renamed:
            waits[f"vm.{renamed[need]}"] = None
        elif parts.number is not None and all(f"vm.{parts.name}[{number}]" in asked for number in whole.get(parts.name, [])):
            waits[f"vm.{parts.name}"] = None
        else:
            waits[need] = None
    return list(waits)
