"""Whether the JSON of a record has the shape of one: what a database cannot know of the texts in its rows.

A record that fails is set aside with its reason, so that one bad row does not keep every other stack from being planned.
"""

from herocloud.kits.jsons import Json
from herocloud.model import spec_shapes
from herocloud.model.worlds import Record

_SHORTEST, _LONGEST = Record._fields.index("needs") + 1, len(Record._fields)
_TEXTS = ("stack", "address", "kind", "provider")


def judge(fields: Json, stack: str, address: str, *, inside: bool = False) -> str | None:
    """Return why this is not the record of an address; nothing when it is. `inside` looks into its spec as well."""
    if type(fields) is not list or not _SHORTEST <= len(fields) <= _LONGEST:
        return f"it is not a list of {_SHORTEST} to {_LONGEST} values"
    for name, value in zip(_TEXTS, fields, strict=False):
        if type(value) is not str:
            return f"its {name} is not a text"
    if fields[0] != stack or fields[1] != address:
        return f"it is the record of `{fields[1][:80]}` in stack `{fields[0][:80]}`"
    if fields[2] != address.partition(".")[0]:
        return f"its kind is `{fields[2][:80]}`"
    spec, parts, complete, protect, sid, needs = fields[4:10]
    if type(spec) is not dict or type(parts) is not dict:
        return f"its {'spec' if type(spec) is not dict else 'parts'} is not a mapping"
    if type(complete) is not bool or type(protect) is not bool:
        return f"`{'complete' if type(complete) is not bool else 'protect'}` is neither true nor false"
    if sid is not None and type(sid) is not str:
        return "its sid is not a text"
    if type(needs) is not list or any(type(need) is not str for need in needs):
        return "`needs` is not a list of addresses"
    if type(fields[-1]) is not str and len(fields) == _LONGEST:
        return "its host is not a text"
    return spec_shapes.judge(fields[2], spec) if inside else None
