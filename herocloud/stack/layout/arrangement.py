"""Keys in their usual order and lines at their proper indentation, by moving whole lines of text.

ruamel keeps comments, but it hangs each one on the key before it: move a key, and the comment above it stays behind. So lines are
moved first, each key with the comments above it, and ruamel only sees a text in which nothing has to move.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from herocloud.kits.yaml.complaints import LINE_BREAK
from herocloud.stack.layout import outline
from herocloud.stack.layout.outline import Block, Entry, Flow, Scalar

Order = Mapping[str, "Order"]
"""The keys of a block in their order, each with the order of the block below it; `*` stands for every name."""


class CannotArrange(Exception):
    """The text is written in a way whose lines cannot be moved; it is left as it is."""


class _Part(NamedTuple):
    """One entry while a block is put together."""

    lead: list[str]
    """Its comments, with the blank line above them."""
    lines: list[str]
    keeps: bool
    """Whether a blank line behind it would become part of its value."""


def arrange(text: str, order: Order, *, move: bool) -> str:
    """Return the text with its keys in order (only when `move`) and indented by two."""
    lines = LINE_BREAK.split(text)
    root = outline.read_outline(text).root
    if not isinstance(root, Block) or not root.is_map:
        raise CannotArrange
    arranger = _Arranger(lines, move=move)
    head, lead = _split_head(lines[: root.entries[0].start.line])
    part = arranger.emit(root, 0, order, lines[root.last_line + 1 :], lead, is_top=True)
    result = [*head, *part.lines]
    if not part.keeps:
        result = _trim(result)
    return "\n".join(_trim_front(result)) + "\n"


def _trim(lines: list[str]) -> list[str]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return lines


def _trim_front(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        lines = lines[1:]
    return lines


def _split_head(above: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part what stands above the first key: the head of the file, up to the last blank line, and the key's own comments."""
    blank = max((number for number, line in enumerate(above) if not line.strip()), default=-1)
    marker = max((number for number, line in enumerate(above) if line.startswith(("%", "---"))), default=-1)
    split = max(blank, marker) + 1
    return _comments(above[:split], 0), _comments(above[split:], 0)


def _comments(lines: Sequence[str], column: int) -> list[str]:
    """Indent comments; several blank lines become one."""
    moved = [" " * column + line.strip() if line.strip() else "" for line in lines]
    return [line for number, line in enumerate(moved) if line or number == 0 or moved[number - 1]]


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())


def _split_gap(lines: Sequence[str], column: int) -> tuple[list[str], list[str]]:
    """Part the lines behind an entry: comments that are indented deeper than it belong to it, the rest to what follows."""
    for number, line in enumerate(lines):
        if line.strip() and _indent_of(line) <= column:
            blank = number
            while blank and not lines[blank - 1].strip():
                blank -= 1
            return list(lines[:blank]), list(lines[blank:])
    last = max((number + 1 for number, line in enumerate(lines) if line.strip()), default=0)
    return list(lines[:last]), list(lines[last:])


class _Arranger:
    def __init__(self, lines: list[str], *, move: bool) -> None:
        self.lines = lines
        self.move = move

    def emit(
        self, block: Block, column: int, order: Order, tail: Sequence[str], lead: list[str] | None = None, *, is_top: bool = False
    ) -> _Part:
        """Return the lines of a block that begins at `column`; `tail` are the comments behind it that belong to it."""
        was = self._column_of(block)
        firsts = [self._first_line(entry, block, was) for entry in block.entries]
        parts: list[_Part] = []
        above = list(lead or ())
        foot: list[str] = []
        for number, entry in enumerate(block.entries):
            is_last = number + 1 == len(block.entries)
            gap = tail if is_last else self.lines[entry.value.last_line + 1 : firsts[number + 1]]
            behind, rest = _split_gap(gap, was)
            inner = order.get(entry.key or "", order.get("*", {})) if block.is_map else order
            part = self._emit_entry(entry, block, firsts[number], was, column, inner, behind)
            parts.append(part._replace(lead=above))
            above = _comments(rest, column)
            foot = above if is_last else []
        sequence = self._sequence(block, parts, order)
        lines = self._join([parts[number] for number in sequence], is_top=is_top)
        keeps = parts[sequence[-1]].keeps and not foot
        return _Part([], [*lines, *_trim(foot)] if any(foot) else lines, keeps)

    def _join(self, parts: Sequence[_Part], *, is_top: bool) -> list[str]:
        lines: list[str] = []
        for number, part in enumerate(parts):
            lead = part.lead
            if number == 0:
                lead = _trim_front(lead)
            elif parts[number - 1].keeps:
                if lead and not lead[0]:
                    raise CannotArrange
            elif is_top:
                lead = _trim_front(lead)
                if len(parts[number - 1].lines) > 1 or len(part.lines) > 1 or part.lead[:1] == [""]:
                    lines.append("")
            lines += [*lead, *part.lines]
        return lines

    def _sequence(self, block: Block, parts: Sequence[_Part], order: Order) -> list[int]:
        plain = list(range(len(block.entries)))
        if not self.move or not block.is_map or "*" in order or not order:
            return plain
        ranks = {"<<": -1, **{key: rank for rank, key in enumerate(order)}}
        wanted = sorted(plain, key=lambda number: ranks.get(block.entries[number].key or "", len(ranks)))
        line = self.lines[block.entries[0].start.line]
        in_list = bool(line[: block.entries[0].start.column].strip())
        # The first key of a list item stands behind the dash, where no comment of its own can be above it.
        if in_list and any(any(part.lead) for part in parts[1:]):
            return plain
        # What keeps the blank lines behind it has to keep its neighbour too.
        return plain if any(part.keeps for part in parts) else wanted

    def _column_of(self, block: Block) -> int:
        if block.is_map:
            return int(block.entries[0].start.column)
        if block.anchor:
            return _indent_of(self.lines[self._dash_line(block.entries[0])])
        return int(block.start.column)

    def _dash_line(self, entry: Entry) -> int:
        number = int(entry.start.line)
        if "-" in self.lines[number][: entry.start.column]:
            return number
        while number > 0:
            number -= 1
            if self.lines[number].lstrip().startswith("-"):
                return number
        raise CannotArrange

    def _first_line(self, entry: Entry, block: Block, was: int) -> int:
        line = int(entry.start.line) if block.is_map else self._dash_line(entry)
        text = self.lines[line]
        if block.is_map and (text[max(0, was - 2) : was] == "? " or entry.start.column != was):
            raise CannotArrange
        if not block.is_map and text[was : was + 1] != "-":
            raise CannotArrange
        return line

    def _emit_entry(self, entry: Entry, block: Block, first: int, was: int, column: int, order: Order, behind: Sequence[str]) -> _Part:
        text = self.lines[first]
        value = entry.value
        if block.is_map:
            return self._emit_value(first, text[was:], value, was, column, order, behind)
        if isinstance(value, Block) and self._begins_on(value, first):
            part = self.emit(value, column + 2, order, behind)
            lines = list(part.lines)
            lines[0] = " " * column + "- " + lines[0][column + 2 :]
            return part._replace(lines=lines)
        rest = text[was + 1 :].strip()
        return self._emit_value(first, f"- {rest}".rstrip(), value, was, column, order, behind)

    def _begins_on(self, block: Block, line: int) -> bool:
        if block.anchor:
            return False
        return int(block.entries[0].start.line if block.is_map else self._dash_line(block.entries[0])) == line

    def _emit_value(
        self, first: int, text: str, value: Scalar | Flow | Block, was: int, column: int, order: Order, behind: Sequence[str]
    ) -> _Part:
        lines = [" " * column + text.rstrip()]
        if isinstance(value, Block):
            begin = value.entries[0].start.line if value.is_map else self._dash_line(value.entries[0])
            if begin == first:
                raise CannotArrange
            part = self.emit(value, column + 2, order, behind, _comments(self.lines[first + 1 : begin], column + 2))
            return _Part([], lines + part.lines, part.keeps)
        is_block_scalar = isinstance(value, Scalar) and value.style in {"|", ">"}
        for number in range(first + 1, value.last_line + 1):
            line = _shift(self.lines[number], column - was)
            lines.append(line if is_block_scalar else line.rstrip())
        keeps = isinstance(value, Scalar) and value.keeps
        if keeps and behind:
            raise CannotArrange
        return _Part([], lines + _trim(_comments(behind, column + 2)), keeps)


def _shift(line: str, by: int) -> str:
    if not line.strip(" "):
        # Blanks in a block scalar are content only beyond its indentation.
        return " " * max(0, len(line) + by) if line else ""
    if by >= 0:
        return " " * by + line
    if _indent_of(line) < -by:
        raise CannotArrange
    return line[-by:]
