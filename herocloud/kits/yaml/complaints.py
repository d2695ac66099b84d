"""What is wrong with a text that libyaml refuses, in our words.

libyaml describes its own state (`did not find expected ',' or ']'`); people need to know what to look for in their file. Messages that are
not in the table are passed on, since half a message is better than a guess.
"""

import re
from typing import Any

from herocloud.kits.yaml.tree import Mark, Unreadable

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


def translate(error: Exception, text: str) -> Unreadable:
    """Turn an error of the parser into ours."""
    from yaml import MarkedYAMLError

    return _translate_marked(error, text) if isinstance(error, MarkedYAMLError) else _translate_reader(error, text)


def _translate_marked(error: Any, text: str) -> Unreadable:
    """Choose the mark that shows the user most."""
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or "")
    lines = LINE_BREAK.split(text)
    if mark is not None and "start any token" in problem:
        line = lines[mark.line] if mark.line < len(lines) else ""
        if "\t" in line[: mark.column + 1]:
            tab = Mark(mark.line, line.index("\t"))
            return Unreadable("yaml-tab", "The line is indented with a tab, which YAML does not allow.", tab, None, "indent with spaces")
        found = line[mark.column : mark.column + 1]
        return Unreadable("yaml-syntax", f"A value cannot begin with `{found}`.", mark, None, "put the value into quotes")
    if "maximum nesting depth" in problem:
        return Unreadable("yaml-limit", "Brackets are nested too deep here.", mark)
    for words, detail, hint in _WORDS:
        if words in problem:
            # An unclosed quote is noticed at the end of the file, a key without `:` in the next line; people look for the beginning.
            early = words in _NOTICED_LATE and error.context_mark is not None
            begins = error.context_mark if early else mark
            return Unreadable("yaml-syntax", detail + _context(error, begins), begins, None, hint)
    said = " ".join(filter(None, (problem, str(error.context or ""))))
    return Unreadable("yaml-syntax", f"The YAML reader stops here: {said}.", mark)


def _context(error: Any, mark: Any) -> str:
    context = error.context_mark
    if context is None or mark is None or context.line == mark.line:
        return ""
    return f" What it belongs to begins in line {context.line + 1}."


def _translate_reader(error: Any, text: str) -> Unreadable:
    """Turn an error about characters into ours; the reader tells no line, so the first forbidden character is looked up."""
    forbidden = re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]", text)
    if forbidden is None:
        return Unreadable("yaml-syntax", f"The YAML reader stops: {error}.")
    code = ord(forbidden.group())
    before = LINE_BREAK.split(text[: forbidden.start()])
    mark = Mark(len(before) - 1, len(before[-1]))
    return Unreadable(
        "yaml-syntax",
        f"The character U+{code:04X} must not stand in a YAML file.",
        mark,
        None,
        "remove it, or write it as an escape in double quotes",
    )
