r"""Text as a terminal may show it: what would make a terminal act is written out, so that a reader sees it and nothing obeys it.

Guests, servers, file names and logs choose words that end up in messages, and a terminal takes some of them as orders: rename the window,
fill the clipboard, type for its reader, overwrite the line above. Every stream of a command passes through here on its way out, because
cleaning each text where it comes in is forgotten somewhere. Sequences of our own are let through by name: colors, and in lines that are
redrawn the few that move the cursor.

Control characters become `\x1b`, the others `\u202e`. The latter is how JSON writes them, and JSON never contains the former raw, so a
JSON document stays the same document.
"""

import re

COLORS = frozenset({"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[36m", "\x1b[1m", "\x1b[2m", "\x1b[0m"})
"""All that a color can do is make text harder to read, so these need no proof of where they come from."""

_UNSAFE = (
    r"\x1b\[\d*[mAJK]"
    r"|\r\n"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # these turn the order of what is read
)
_MOVES = r"\x1b\[\d*A|\x1b\[[JK]|\r"


def visible(text: str, *, colors: bool = False, redrawing: bool = False) -> str:
    """Return the text with everything written out that a terminal would obey, except colors and, in lines that are redrawn, our moves."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text

    def write_out(found: re.Match[str]) -> str:
        said = found.group()
        if (colors and said in COLORS) or (redrawing and re.fullmatch(_MOVES, said)):
            return said
        return "\n" if said == "\r\n" else "".join(map(_write_out, said))

    return re.sub(_UNSAFE, write_out, text)


def _write_out(letter: str) -> str:
    if " " <= letter < "\x7f":
        return letter
    return f"\\x{ord(letter):02x}" if letter < " " else f"\\u{ord(letter):04x}"
