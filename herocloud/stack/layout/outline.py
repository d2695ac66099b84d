"""The outline of a YAML text for the formatter: which lines belong to which key, with every comment counted to somebody.

Values are of no interest here, only where they begin and end; `kits.yaml.reader` is for values.
"""

import re
from typing import Any, NamedTuple

from herocloud.kits.yaml import parser
from herocloud.kits.yaml.complaints import LINE_BREAK


class Scalar(NamedTuple):
    """A value that is not a collection."""

    start: Any
    end: Any
    style: str | None
    last_line: int
    """The last line that belongs to it."""
    keeps: bool = False
    """Whether blank lines behind it are content (`|+`)."""


class Flow(NamedTuple):
    """A collection in brackets or braces."""

    start: Any
    end: Any
    scalars: tuple[Scalar, ...]

    @property
    def last_line(self) -> int:
        """Return the line of the closing bracket."""
        return int(self.end.line)


class Entry(NamedTuple):
    """One key with its value, or one item of a list."""

    start: Any
    """The key, or the item itself."""
    key: str | None
    key_scalar: Scalar | None
    value: "Node"


class Block(NamedTuple):
    """A collection by indentation."""

    start: Any
    is_map: bool
    entries: tuple[Entry, ...]
    anchor: bool

    @property
    def last_line(self) -> int:
        """Return the last line of its last value."""
        return self.entries[-1].value.last_line


Node = Scalar | Flow | Block


class Outline(NamedTuple):
    """A whole text."""

    root: Node | None
    scalars: tuple[Scalar, ...]
    """Every scalar, keys included: a `#` inside one begins no comment."""
    has_aliases: bool


def read_outline(text: str) -> Outline:
    """Outline a text that is known to be sound."""
    from yaml import events

    get = parser.make_parser(text).get_event
    lines = LINE_BREAK.split(text)
    scalars: list[Scalar] = []
    aliases = False
    root: Node | None = None
    stack: list[tuple[Any, list[Any]]] = []
    while True:
        event = get()
        kind = type(event)
        node: Any
        if kind is events.ScalarEvent:
            node = _read_scalar(event, lines)
            scalars.append(node)
            node = (node, event.value)
        elif kind is events.AliasEvent:
            aliases = True
            node = (Scalar(event.start_mark, event.end_mark, None, event.end_mark.line), "*" + event.anchor)
        elif kind in (events.MappingStartEvent, events.SequenceStartEvent):
            stack.append((event, []))
            continue
        elif kind in (events.MappingEndEvent, events.SequenceEndEvent):
            opening, inner = stack.pop()
            node = (_close(opening, event, inner, is_map=kind is events.MappingEndEvent), None)
        elif kind is events.StreamEndEvent:
            return Outline(root, tuple(scalars), aliases)
        else:
            continue
        if stack:
            stack[-1][1].append(node)
        else:
            root = node[0]


def _read_scalar(event: Any, lines: list[str]) -> Scalar:
    start, end = event.start_mark, event.end_mark
    last = int(end.line)
    keeps = False
    if event.style in {"|", ">"}:
        header = re.search(r"[|>][-+0-9]*", lines[start.line][start.column :])
        keeps = header is not None and "+" in header.group()
        # The parser ends a block scalar where the next thing begins; blank lines up to there are nobody's, unless kept.
        last = last - 1 if end.column == 0 or last >= len(lines) else last
        while not keeps and last > start.line and not lines[last].strip():
            last -= 1
    return Scalar(start, end, event.style, last, keeps)


def _close(opening: Any, closing: Any, inner: list[Any], *, is_map: bool) -> Node:
    if opening.flow_style or not inner:
        scalars: list[Scalar] = []
        for node, _text in inner:
            scalars.extend([node] if isinstance(node, Scalar) else node.scalars if isinstance(node, Flow) else [])
        return Flow(opening.start_mark, closing.end_mark, tuple(scalars))
    if not is_map:
        return Block(
            opening.start_mark, False, tuple(Entry(node.start, None, None, node) for node, _text in inner), opening.anchor is not None
        )
    pairs = zip(inner[::2], inner[1::2], strict=True)
    entries = tuple(Entry(key.start, text, key, value) for (key, text), (value, _none) in pairs)
    return Block(opening.start_mark, True, entries, opening.anchor is not None)


def quote_instances(text: str) -> str:
    """Return the text with quotes around the `web[0]` that YAML wants quoted, so that any program can read it."""
    from yaml import events

    softened = parser.soften(text)
    if softened is None or parser.is_yaml(text):
        return text
    lines = LINE_BREAK.split(softened)
    get: Any = parser.make_parser(softened).get_event
    in_flow: list[bool] = []
    places: list[tuple[int, int, int]] = []
    while True:
        event: Any = get()
        if isinstance(event, events.StreamEndEvent):
            break
        if isinstance(event, events.MappingStartEvent | events.SequenceStartEvent):
            in_flow.append(bool(event.flow_style))
        elif isinstance(event, events.MappingEndEvent | events.SequenceEndEvent):
            in_flow.pop()
        elif isinstance(event, events.ScalarEvent) and event.implicit[0] and parser.OPEN in event.value and in_flow[-1]:
            opening: Any = event.start_mark
            closing: Any = event.end_mark
            places.append((opening.line, opening.column, closing.column))
    for line, begin, end in sorted(places, reverse=True):
        lines[line] = f'{lines[line][:begin]}"{lines[line][begin:end]}"{lines[line][end:]}'
    return parser.restore("\n".join(lines))


_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$")


def comments(text: str) -> list[str]:
    """Return the comments of a text, in order."""
    lines = [list(line) for line in LINE_BREAK.split(text)]
    for scalar in read_outline(text).scalars:
        last = scalar.last_line
        for number in range(scalar.start.line, min(last, len(lines) - 1) + 1):
            line = lines[number]
            begin = scalar.start.column if number == scalar.start.line else 0
            if scalar.style in {"|", ">"} and number == scalar.start.line:
                # A comment may follow the header of a block scalar; only its first character is taken.
                line[begin : begin + 1] = "x"
                continue
            end = scalar.end.column if number == scalar.end.line else len(line)
            line[begin:end] = "x" * max(0, end - begin)
    found = []
    for line in lines:
        match = _COMMENT.search("".join(line))
        if match:
            found.append(match.group().strip())
    return found
