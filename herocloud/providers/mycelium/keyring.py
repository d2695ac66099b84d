"""The public halves of the keys that a plan needs: looked up before it is made, so that the plan itself looks at nothing."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.model.hosts import OverlayKey
from herocloud.providers.mycelium import arithmetic, key_references, keys


def look_up(data: Path, wanted: Iterable[Json], environment: Mapping[str, str]) -> dict[str, OverlayKey]:
    """Return each of these keys by its reference as JSON; one that cannot be had comes with what is wrong with it."""
    overlay_keys: dict[str, OverlayKey] = {}
    for reference in wanted:
        text = jsons.dumps(reference)
        if text not in overlay_keys:
            overlay_keys[text] = _look_up(data, reference, environment)
    return overlay_keys


def _look_up(data: Path, reference: Json, environment: Mapping[str, str]) -> OverlayKey:
    try:
        if "name" in reference and not keys.exists(data, reference["name"]):
            return OverlayKey(None, missing=True, name=reference["name"])
        private = key_references.read(data, reference, environment)
    except Refused as refused:
        first = refused.diagnostics[0]
        return OverlayKey(None, problem=first.detail, hint=first.hint)
    return OverlayKey(arithmetic.public_key(private))
