"""`web[0]` in brackets or braces, without quotes.

`forward: [{vm: web[0], port: 80}]` is what everybody writes, and YAML does not allow it: between brackets, `[` always opens a list. So
a text that does not parse gets a second chance in which these brackets are characters of no meaning. Nothing that YAML understands
can change by that, since `name[0]` never stands outside of quotes, comments and blocks there. One character replaces one character,
and every line and column stays right.
"""

import re

_OPEN, _CLOSE = "\ue05b", "\ue05d"
_BARE = re.compile(r"(?<=[\s,\[{:])((?:vm\.)?[a-z][a-z0-9-]{0,62})\[(\d{1,6})\](?=\s*[,}\]])")


def soften(text: str) -> str | None:
    """Return the text with such brackets replaced; nothing when there are none."""
    if _OPEN in text or _CLOSE in text:
        return None
    softened = _BARE.sub(rf"\1{_OPEN}\2{_CLOSE}", text)
    return None if softened == text else softened


def restore(text: str) -> str:
    """Return a value as it was written."""
    return text.replace(_OPEN, "[").replace(_CLOSE, "]") if _OPEN in text else text


def quote(text: str) -> str:
    """Return the text with quotes where YAML wants them; for the formatter, whose result any program shall read."""
    from ruamel.yaml import events

    from herocloud.stack import reading, troubles

    softened = soften(text)
    if softened is None or reading.is_yaml(text):
        return text
    lines = troubles.LINE_BREAK.split(softened)
    get = reading.make_parser(softened).get_event
    flow: list[bool] = []
    found: list[tuple[int, int, int]] = []
    while True:
        event = get()
        if isinstance(event, events.StreamEndEvent):
            break
        if isinstance(event, events.MappingStartEvent | events.SequenceStartEvent):
            flow.append(bool(event.flow_style))
        elif isinstance(event, events.MappingEndEvent | events.SequenceEndEvent):
            flow.pop()
        elif isinstance(event, events.ScalarEvent) and event.implicit[0] and _OPEN in event.value and flow[-1]:
            found.append((event.start_mark.line, event.start_mark.column, event.end_mark.column))
    for line, begin, end in sorted(found, reverse=True):
        lines[line] = f'{lines[line][:begin]}"{lines[line][begin:end]}"{lines[line][end:]}'
    return restore("\n".join(lines))
