"""The events of a YAML text, from libyaml's parser through PyYAML's binding.

`web[0]` in brackets or braces, without quotes. `forward: [{vm: web[0], port: 80}]` is what everybody writes, and YAML does not allow it:
between brackets, `[` always opens a list. So a text that does not parse gets a second chance in which these brackets are characters of no
meaning. Nothing that YAML understands can change by that, since `name[0]` never stands outside of quotes, comments and blocks there. One
character replaces one character, and every line and column stays right.
"""

import re
from typing import Any

OPEN, _CLOSE = "\ue05b", "\ue05d"
_BARE = r"(?<=[\s,\[{:])((?:vm\.)?[a-z][a-z0-9-]{0,62})\[(\d{1,6})\](?=\s*[,}\]])"


def make_parser(text: str) -> Any:
    """Return libyaml's parser over `text`; where PyYAML was built without libyaml, its own parser, which is slower."""
    import yaml

    # A last line without an end means what it would mean with one; libyaml takes some of its blanks for content, or drops its line feed.
    text = text if text.endswith("\n") else f"{text}\n"
    if yaml.__with_libyaml__:
        return yaml.CSafeLoader(text)
    return yaml.SafeLoader(text)


def soften(text: str) -> str | None:
    """Return the text with the brackets of instances replaced; nothing when there are none."""
    if OPEN in text or _CLOSE in text:
        return None
    softened = re.sub(_BARE, rf"\1{OPEN}\2{_CLOSE}", text)
    return None if softened == text else softened


def restore(text: str) -> str:
    """Return a value as it was written."""
    return text.replace(OPEN, "[").replace(_CLOSE, "]") if OPEN in text else text


def is_yaml(text: str) -> bool:
    """Return whether the parser gets to the end of a text."""
    from yaml import YAMLError, events

    try:
        get = make_parser(text).get_event
        while not isinstance(get(), events.StreamEndEvent):
            pass
    except YAMLError:
        return False
    return True
