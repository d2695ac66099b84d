"""Files as documents: bytes to text, values, and the places of everything in them."""

from collections.abc import Sequence
from typing import Any

from herocloud.kits import credentials
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.text_positions import Place
from herocloud.kits.yaml import reader
from herocloud.kits.yaml.complaints import LINE_BREAK
from herocloud.kits.yaml.tree import START, Mark, Path, Spot, Spots, Tree, Unreadable

MAX_BYTES = 16 * 1024**2


def decode(content: bytes) -> str:
    """Return the text of a file; raises `Unreadable` when it is too long, empty or not UTF-8."""
    if len(content) > MAX_BYTES:
        raise Unreadable("yaml-limit", "The file is larger than 16 MiB.", None, None, "split it into several files")
    for signature, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\xef\xbb\xbf", "UTF-8")):
        if content.startswith(signature):
            detail = f"The file begins with a byte order mark of {encoding}."
            raise Unreadable("yaml-encoding", detail, START, None, "save it as UTF-8 without a byte order mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line = before.count("\n")
        mark = Mark(line, len(before) - before.rfind("\n") - 1)
        detail = f"The byte 0x{content[error.start]:02X} is not UTF-8."
        raise Unreadable("yaml-encoding", detail, mark, None, "save the file as UTF-8") from None
    if not text.strip():
        raise Unreadable("yaml-empty", "It holds nothing.", START)
    return text


Spotted = tuple[Place, str | None]
_LONGEST = 10_000


class Broken(NamedTuple):
    """A file that is not YAML as we read it."""

    code: str
    detail: str
    hint: str | None
    place: Place
    snippet: str | None


class Document(NamedTuple):
    """One file with the places of everything in it."""

    name: str
    lines: Sequence[str]
    tree: Tree

    def locate(self, path: Path, *, on_key: bool, needle: str | None = None, begin: tuple[Any, Spot] | None = None) -> Spotted:
        """Return the place of the value (or key) at `path`, or of the nearest thing around it that is really written there.

        `begin` is a value with its spot from which the path counts, for a block that did not get into the tree.
        """
        container: Any = self.tree.value
        spot = self.tree.root
        if begin is not None:
            container, spot = begin
        for part in path:
            entries = self.tree.spots.of(container) if isinstance(container, dict | list) else {}
            if part not in entries:
                # Something below is meant that the file does not say: a key that is missing, or the long form of a short one.
                on_key = on_key or isinstance(container, dict | list)
                break
            spot = entries[part]
            container = container[part]
        if spot is None:
            return self.make_spot(START, None)
        return self.place_of(spot, on_key=on_key or isinstance(container, dict | list), needle=needle)

    def place_of(self, spot: Spot, *, on_key: bool, needle: str | None = None) -> Spotted:
        """Turn a spot into a place: the key's, the value's, or that of a part of the value."""
        if needle is not None:
            begin, end = spot.start, spot.end
            for number in range(begin.line, min(end.line + 1, len(self.lines))):
                column = self.lines[number].find(needle, begin.column if number == begin.line else 0)
                if column >= 0:
                    return self.make_spot(Mark(number, column), Mark(number, column + len(needle)))
        return self.make_spot(spot.key_start, spot.key_end) if on_key else self.make_spot(spot.start, spot.end)

    def make_spot(self, start: Any, end: Any) -> Spotted:
        """Turn two marks into a place and the line it starts in."""
        if start.line >= len(self.lines):
            # What is missing at the end of a text is noticed in the line behind it.
            start = Mark(len(self.lines) - 1, len(self.lines[-1]))
            end = None
        line = self.lines[start.line]
        if end is None or end.line != start.line or end.column <= start.column:
            # What runs over several lines is shown by its first one.
            last = len(line.rstrip()) if end is not None and end.line > start.line else start.column + 1
            end = Mark(start.line, max(last, start.column + 1))
        # A file of one endless line has no line to show.
        shown = printable(line) if len(line) <= _LONGEST else None
        return Place(self.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1), shown


def printable(text: str) -> str:
    """Replace characters that a terminal would obey instead of showing, one by one, so that columns stay right, and hide credentials."""
    text = credentials.hide_credentials(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\t\n" else "\ufffd" for char in text)


def open_document(name: str, content: bytes) -> Document | Broken:
    """Read a file with places."""
    text = content.decode("utf-8", "replace")
    lines = LINE_BREAK.split(text)
    try:
        tree = reader.read_tree(decode(content), track=True)
    except Unreadable as error:
        place, snippet = Document(name, lines, Tree(None, Spots(), [], None)).make_spot(error.mark or START, error.end)
        return Broken(error.code, error.detail, error.hint, place, snippet)
    return Document(name, lines, tree)
