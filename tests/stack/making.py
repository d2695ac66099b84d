"""Hosts for these tests, diagnostics as lines of text, and values compared to the last detail."""

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import slice_sid
from herocloud.stack.load import Loaded

GIB = 1024**3


def host(slices: int = 63, *, cpus: int = 64, simulated: bool = True, name: str = "node1") -> Host:
    memory, disk = (slices * 4 + 1) * GIB, slices * 128 * GIB
    all_slices = tuple(Slice(slice_sid(number + 1), 4 * GIB, 128 * GIB) for number in range(slices))
    return Host(name, memory, disk, disk, cpus, all_slices, simulated=simulated)


def told(found: Diagnostic) -> str:
    """Write a diagnostic as one line."""
    place = f"{found.place.file}:{found.place.line}:{found.place.column}" if found.place else "-"
    return f"{place} {found.code}: {found.detail}" + (f" ({found.hint})" if found.hint else "")


def shown(loaded: Loaded) -> str:
    """Write all diagnostics with the lines that they point at."""
    lines = []
    for found in loaded.diagnostics:
        lines.append(f"{found.severity.value}: {found.summary} [{found.code}]{f' {found.address}' if found.address else ''}")
        lines.append(f"  {found.detail}")
        if found.place and found.snippet is not None:
            width = found.place.end_column - found.place.column
            lines.append(f"  {found.place.file}:{found.place.line}:{found.place.column}")
            lines.append(f"  | {found.snippet}")
            lines.append(f"  | {' ' * (found.place.column - 1)}{'^' * width}")
        if found.hint:
            lines.append(f"  hint: {found.hint}")
        lines.append("")
    return "\n".join(lines)


def codes(loaded: Loaded) -> list[tuple[int, str]]:
    """Return line and code of each diagnostic."""
    return sorted((found.place.line if found.place else 0, found.code) for found in loaded.diagnostics)


def same(one: object, other: object) -> bool:
    """Compare values with their types, the order of their keys, and how numbers were written."""
    if type(one) is not type(other) or getattr(one, "text", None) != getattr(other, "text", None):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
