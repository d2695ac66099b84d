"""`web[0]` in brackets or braces, without quotes.

`forward: [{vm: web[0], port: 80}]` is what everybody writes, and YAML does not allow it: between brackets, `[` always opens a list. So
a text that does not parse gets a second chance in which these brackets are characters of no meaning. Nothing that YAML understands
can change by that, since `name[0]` never stands outside of quotes, comments and blocks there. One character replaces one character,
and every line and column stays right.
"""

import re

OPEN, _CLOSE = "\ue05b", "\ue05d"
_BARE = re.compile(r"(?<=[\s,\[{:])((?:vm\.)?[a-z][a-z0-9-]{0,62})\[(\d{1,6})\](?=\s*[,}\]])")


def soften(text: str) -> str | None:
    """Return the text with such brackets replaced; nothing when there are none."""
    if OPEN in text or _CLOSE in text:
        return None
    softened = _BARE.sub(rf"\1{OPEN}\2{_CLOSE}", text)
    return None if softened == text else softened


def restore(text: str) -> str:
    """Return a value as it was written."""
    return text.replace(OPEN, "[").replace(_CLOSE, "]") if OPEN in text else text
