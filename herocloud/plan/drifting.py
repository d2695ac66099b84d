"""Drift: where the world differs from the records, part by part."""

from collections.abc import Mapping

from herocloud.kits.jsons import Json
from herocloud.model.ids import Address
from herocloud.model.plans import Drift
from herocloud.model.worlds import Observed, Record


def find_drift(records: Mapping[Address, Record], observed: Observed | None) -> tuple[Drift, ...]:
    """Compare every record of one stack with what was seen; equal parts are passed over before anything looks inside."""
    if observed is None:
        return ()
    found: list[Drift] = []
    for address, record in records.items():
        thing = observed.things.get(record.stack, {}).get(address)
        seen: Mapping[str, Json] = thing.parts if thing else {}
        if seen == record.parts or not record.complete:
            continue
        for part in sorted({*record.parts, *seen}):
            before, after = record.parts.get(part), seen.get(part)
            if before == after:
                continue
            if isinstance(before, dict) and isinstance(after, dict):
                found.extend(
                    Drift(address, record.kind, f"{part}.{key}", before.get(key), after.get(key))
                    for key in sorted({*before, *after})
                    if before.get(key) != after.get(key)
                )
            else:
                found.append(Drift(address, record.kind, part, before, after))
    return tuple(found)
