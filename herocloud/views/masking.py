"""Sensitive values out of specs, with a mask that tells where they were.

The shape is Terraform's: `before_sensitive` mirrors the value and holds `true` where something was taken out. Secrets never get this
far (the loader keeps a name and a keyed digest); user data does, and people put passwords there.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Spec
from herocloud.views import values


def mask(spec: Spec | None, extra: Iterable[str] = ()) -> tuple[Json, Json]:
    """Return the spec without its sensitive values, and the mask; `extra` names more dotted paths to hide."""
    if spec is None:
        return None, {}
    shown: dict[str, Json] = dict(spec)
    marks: dict[str, Json] = {}
    for key in values.SENSITIVE:
        if shown.get(key):
            shown[key], marks[key] = _hide(shown[key])
    for path in extra:
        key = path.partition(".")[0].partition("[")[0]
        # A sensitive field inside a list or a map hides the whole of it: too much is hidden rather than too little.
        if shown.get(key) is not None and key not in marks:
            shown[key], marks[key] = values.fingerprint(shown[key]), True
    return shown, marks


def hide_value(path: str, value: Json, *, sensitive: bool) -> Json:
    """Return the value of one field as it may be shown."""
    if value is None or not (sensitive or values.is_sensitive(path)):
        return value
    return values.fingerprint(value)


def _hide(value: Json) -> tuple[Json, Json]:
    if isinstance(value, Mapping):
        return {key: values.fingerprint(inner) for key, inner in value.items()}, dict.fromkeys(value, True)
    return values.fingerprint(value), True
