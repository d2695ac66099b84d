"""Aligned tables and the same rows as JSON.

A listing is described once (columns and rows) and written in either form, so that `--json` can never lack a column. Rows are plain
mappings; a column says how its value is written for people. rich is not used: these are pipes' food as often as terminals'.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.views import writer

FORMAT_VERSION = "1.0"


def _plainly(value: Json) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return str(value)


class Column(NamedTuple):
    """One column of a listing."""

    key: str
    heading: str
    show: Callable[[Json], str] = _plainly
    right: bool = False
    spare: bool = False
    """Left out on a screen that is too narrow for it; JSON has it anyway."""
    whole: bool = False
    """Never folded: half a date is hard to read."""


class Listing(NamedTuple):
    """Rows under columns; `name` is the key of the rows in the JSON form."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Json], ...]
    empty: str
    """What is said when there are no rows."""
    below: str = ""
    """A line under the table, for totals."""


def render(listing: Listing, *, color: bool = False, width: int | None = None) -> str:
    """Write a listing as text; cells of the widest columns are folded where the table is wider than the screen."""
    if not listing.rows:
        return listing.empty
    palette = writer.choose(color=color)
    columns = listing.columns if width is None else _choose(listing, width)
    cells = [[column.show(row.get(column.key)) for column in columns] for row in listing.rows]
    wide = _widths(columns, listing.rows)
    if width is not None:
        least = [full if column.whole else len(column.heading) for column, full in zip(columns, wide, strict=True)]
        wide = _narrow(wide, least, width)
    heading = _line([column.heading for column in columns], columns, wide)
    lines = [f"{palette.bold}{heading}{palette.off}"]
    for line in cells:
        folded = [writer.fold(cell, size) for cell, size in zip(line, wide, strict=True)]
        height = max(map(len, folded))
        lines += [_line([cell[row] if row < len(cell) else "" for cell in folded], columns, wide) for row in range(height)]
    if listing.below:
        lines += ["", listing.below]
    return "\n".join(lines)


_GAP = 3
_LEAST = 8


def _widths(columns: Sequence[Column], rows: Sequence[Mapping[str, Json]]) -> list[int]:
    return [max(len(column.heading), *(len(column.show(row.get(column.key))) for row in rows)) for column in columns]


def _choose(listing: Listing, width: int) -> tuple[Column, ...]:
    """Leave out spare columns, the last one first, as long as the table is wider than the screen."""
    columns = list(listing.columns)
    for column in reversed(listing.columns):
        if column.spare and sum(_widths(columns, listing.rows)) + _GAP * (len(columns) - 1) > width:
            columns.remove(column)
    return tuple(columns)


def _narrow(wide: list[int], least: list[int], width: int) -> list[int]:
    """Take from the widest column that can give, one character at a time, until the table fits or no column can give more."""
    wide = list(wide)
    while sum(wide) + _GAP * (len(wide) - 1) > width:
        giving = [place for place in range(len(wide)) if wide[place] > max(_LEAST, least[place])]
        if not giving:
            break
        wide[max(giving, key=wide.__getitem__)] -= 1
    return wide


def document(listing: Listing) -> dict[str, Json]:
    """Return a listing as JSON, with every key that its rows hold."""
    return {"format_version": FORMAT_VERSION, listing.name: [dict(row) for row in listing.rows]}


def pairs(rows: Iterable[tuple[str, str]], *, color: bool = False, indent: str = "") -> str:
    """Write names and values in two columns: what one thing is like."""
    listed = list(rows)
    palette = writer.choose(color=color)
    wide = max((len(name) for name, _ in listed), default=0) + 3
    lines = []
    for name, value in listed:
        first, *more = value.split("\n")
        lines.append(f"{indent}{palette.bold}{name.ljust(wide)}{palette.off}{first}".rstrip())
        lines += [f"{indent}{' ' * wide}{line}" for line in more]
    return "\n".join(lines)


def as_row(value: Json) -> dict[str, Json]:
    """Return a named tuple or a mapping as a row; fields of it that are named tuples or enums become plain values."""
    row = value._asdict() if hasattr(value, "_asdict") else dict(value)
    return {key: _plain(inner) for key, inner in row.items()}


def _plain(value: Json) -> Json:
    if hasattr(value, "_asdict"):
        return as_row(value)
    if hasattr(value, "value") and hasattr(value, "name"):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _line(cells: Sequence[str], columns: tuple[Column, ...], wide: list[int]) -> str:
    return (
        (" " * _GAP)
        .join(cell.rjust(width) if column.right else cell.ljust(width) for cell, column, width in zip(cells, columns, wide, strict=True))
        .rstrip()
    )
