"""From paths to places, and from libyaml's complaints to ours: the second, slower look at a file.

What is wrong with a text that libyaml refuses, in our words. libyaml describes its own state (`did not find expected ',' or ']'`); people
need to know what to look for in their file. Messages that are not in the table are passed on, since half a message is better than a
guess.

From paths to places: the second, slower look at a file, taken only when there is something to point at.

Places for findings that come later: the planner and the host know an address and no line.

Large files are loaded without places, so these are looked up when there is something to say, by reading the files once more.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import split_address
from herocloud.stack import combining, reading, sources
from herocloud.stack.findings import Path

# U+0085, U+2028 and U+2029 end a line for libyaml, and its marks count them.
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")

_WORDS = (
    ("did not find expected ',' or ']'", "A list in brackets is not closed before this, or a comma is missing.", "close it with `]`"),
    ("did not find expected ',' or '}'", "A mapping in braces is not closed before this, or a comma is missing.", "close it with `}`"),
    ("found unexpected end of stream", "A quoted text that begins here is never closed.", "close it with the same quote"),
    ("mapping values are not allowed", "A `: ` stands where no key can be.", "quote a value that holds `: `, and check the indentation"),
    ("could not find expected ':'", "A line that should be a key has no `:`.", "write `key: value`, and check the indentation"),
    ("did not find expected key", "This line does not fit the mapping around it.", "check its indentation against the lines above"),
    ("did not find expected '-' indicator", "This line does not fit the list around it.", "check its indentation against the lines above"),
    ("block sequence entries are not allowed", "A `- ` stands where no list can begin.", "put the list on lines of its own below the key"),
    ("found unknown escape character", "The text in double quotes holds an escape that YAML does not know.", "use single quotes"),
    ("found unexpected ':'", "A `:` stands inside a value.", "quote the value, or put a blank after the `:`"),
    ("found undefined tag handle", "The tag uses a prefix that is not declared.", "leave the tag out"),
)
"""What libyaml says, what it means, and the way out."""
_NOTICED_LATE = ("found unexpected end of stream", "could not find expected ':'")


def translate(error: Any, text: str) -> "reading.Unreadable":
    """Turn an error of the parser into ours, with the mark that shows the user most."""
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or "")
    lines = LINE_BREAK.split(text)
    if mark is not None and "start any token" in problem:
        line = lines[mark.line] if mark.line < len(lines) else ""
        if "\t" in line[: mark.column + 1]:
            tab = reading.Mark(mark.line, line.index("\t"))
            return reading.Unreadable(
                "yaml-tab", "The line is indented with a tab, which YAML does not allow.", tab, None, "indent with spaces"
            )
        found = line[mark.column : mark.column + 1]
        return reading.Unreadable("yaml-syntax", f"A value cannot begin with `{found}`.", mark, None, "put the value into quotes")
    for words, detail, hint in _WORDS:
        if words in problem:
            # An unclosed quote is noticed at the end of the file, a key without `:` in the next line; people look for the beginning.
            early = words in _NOTICED_LATE and error.context_mark is not None
            begins = error.context_mark if early else mark
            return reading.Unreadable("yaml-syntax", detail + _context(error, begins), begins, None, hint)
    said = " ".join(filter(None, (problem, str(error.context or ""))))
    return reading.Unreadable("yaml-syntax", f"The YAML reader stops here: {said}.", mark)


def _context(error: Any, mark: Any) -> str:
    context = error.context_mark
    if context is None or mark is None or context.line == mark.line:
        return ""
    return f" What it belongs to begins in line {context.line + 1}."


def translate_reader(error: Any, text: str) -> "reading.Unreadable":
    """Turn an error about characters into ours; the reader tells no line, so the first forbidden character is looked up."""
    forbidden = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]", text)
    if forbidden is None:
        return reading.Unreadable("yaml-syntax", f"The YAML reader stops: {error}.")
    code = ord(forbidden.group())
    before = LINE_BREAK.split(text[: forbidden.start()])
    mark = reading.Mark(len(before) - 1, len(before[-1]))
    return reading.Unreadable(
        "yaml-syntax",
        f"The character U+{code:04X} must not stand in a YAML file.",
        mark,
        None,
        "remove it, or write it as an escape in double quotes",
    )


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
    lines = LINE_BREAK.split(text)
    try:
        tree = reading.read_tree(combining.decode(source.content), track=True)
    except reading.Unreadable as error:
        place, snippet = Document(source.name, lines, reading.Tree(None, {}, [], None)).make_spot(error.mark or reading.START, error.end)
        return Broken(error.code, error.detail, error.hint, place, snippet)
    return Document(source.name, lines, tree)


_SECTIONS = {"image": "images", "network": "networks", "volume": "volumes", "vm": "vms"}


def locate(diagnostics: Sequence[Diagnostic], files: Sequence[str], stdin: str | None = None) -> tuple[Diagnostic, ...]:
    """Return the findings with place and source line, where the stack files tell them; the others come back as they are."""
    if all(found.snippet is not None or (found.place is None and found.address is None) for found in diagnostics):
        return tuple(diagnostics)
    read, _unusable = sources.read_sources(files, stdin)
    opened = [open_document(source) for source in read]
    documents = [document for document in opened if isinstance(document, Document)]
    return tuple(_locate(found, documents) for found in diagnostics)


def _locate(found: Diagnostic, documents: Sequence[Document]) -> Diagnostic:
    if found.snippet is not None:
        return found
    if found.place is not None:
        for document in documents:
            if document.name == found.place.file and found.place.line <= len(document.lines):
                return found._replace(snippet=printable(document.lines[found.place.line - 1]))
        return found
    for document, path in _candidates(found.address or "", documents):
        place, snippet = document.locate(path, on_key=True)
        return found._replace(place=place, snippet=snippet)
    return found


def _candidates(address: str, documents: Sequence[Document]) -> Iterator[tuple[Document, tuple[str, str]]]:
    parts = split_address(address)
    if parts is None or parts.kind not in _SECTIONS:
        return
    section = _SECTIONS[parts.kind]
    for document in documents:
        block = document.tree.value.get(section) if isinstance(document.tree.value, dict) else None
        if isinstance(block, dict) and parts.name in block:
            yield document, (section, parts.name)
