"""From paths to places: the second, slower look at a file, taken only when there is something to point at."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from herocloud.model.diagnostics import Place
from herocloud.stack import decoding, reading, sources, troubles
from herocloud.stack.findings import Path

Spotted = tuple[Place, str | None]
_LONGEST = 10_000


class Broken(NamedTuple):
    """A file that is no YAML that we read."""

    code: str
    detail: str
    hint: str | None
    place: Place
    snippet: str | None


class Document(NamedTuple):
    """One file with the places of everything in it."""

    name: str
    lines: Sequence[str]
    tree: reading.Tree

    def locate(self, path: Path, *, on_key: bool, needle: str | None = None, begin: tuple[Any, reading.Spot] | None = None) -> Spotted:
        """Return the place of the value (or key) at `path`, or of the nearest thing around it that is really written there.

        `begin` is a value with its spot from which the path counts, for a block that did not get into the tree.
        """
        container: Any = self.tree.value
        spot = self.tree.root
        if begin is not None:
            container, spot = begin
        for part in path:
            entries = self.tree.spots.get(id(container)) if isinstance(container, dict | list) else None
            if entries is None or part not in entries:
                # Something below is meant that the file does not say: a key that is missing, or the long form of a short one.
                on_key = on_key or isinstance(container, dict | list)
                break
            spot = entries[part]
            container = container[part]
        if spot is None:
            return self.make_spot(reading.START, None)
        return self.place_of(spot, on_key=on_key or isinstance(container, dict | list), needle=needle)

    def place_of(self, spot: reading.Spot, *, on_key: bool, needle: str | None = None) -> Spotted:
        """Turn a spot into a place: the key's, the value's, or that of a part of the value."""
        if needle is not None:
            begin, end = spot.start, spot.end
            for number in range(begin.line, min(end.line + 1, len(self.lines))):
                column = self.lines[number].find(needle, begin.column if number == begin.line else 0)
                if column >= 0:
                    return self.make_spot(reading.Mark(number, column), reading.Mark(number, column + len(needle)))
        return self.make_spot(spot.key_start, spot.key_end) if on_key else self.make_spot(spot.start, spot.end)

    def make_spot(self, start: Any, end: Any) -> Spotted:
        """Turn two marks into a place and the line it starts in."""
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        if end is None or end.line != start.line or end.column <= start.column:
            # What runs over several lines is shown by its first one.
            last = len(line.rstrip()) if end is not None and end.line > start.line else start.column + 1
            end = reading.Mark(start.line, max(last, start.column + 1))
        # A file of one endless line has no line to show.
        shown = printable(line) if len(line) <= _LONGEST else None
        return Place(self.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1), shown


def printable(text: str) -> str:
    """Replace characters that a terminal would obey instead of showing, one by one, so that columns stay right."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\t\n" else "\ufffd" for one in text)


def open_document(source: sources.Source) -> Document | Broken:
    """Read a file with places."""
    text = source.content.decode("utf-8", "replace")
    lines = troubles.LINE_BREAK.split(text)
    try:
        tree = reading.read_tree(decoding.decode(source.content), track=True)
    except reading.Unreadable as error:
        place, snippet = Document(source.name, lines, reading.Tree(None, {}, [], None)).make_spot(error.mark or reading.START, error.end)
        return Broken(error.code, error.detail, error.hint, place, snippet)
    return Document(source.name, lines, tree)
