"""The stack as it is recorded, asked for again: records turned back into what a stack file would say.

Imperative commands (`vm stop`, `state mv`) change one thing and want everything else to stay. They state exactly that as a `Desired`, so
that they go through the same planner, proof and journal as a stack file. Everything that was decided is pinned.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json
from herocloud.kits.shared_values import MadeLately
from herocloud.model import ids
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Desired, Move, Observed, Record, Recorded, Resource, Thing

_DECIDED = frozenset({"sid", "image_id", "gateway", "subnet"})
"""Values that the planner adds and no file asks for."""
_OVERLAY_ASKED = ("open", "mode", "peers")
"""What a file asks of the overlay beside the seed; address, key and card are decided."""


def resource_of(record: Record) -> Resource:
    """Turn a record back into what was asked for, with every decided value pinned."""
    parts = ids.split_address(record.address)
    assert parts is not None  # noqa: S101  (the state checks addresses)
    spec: dict[str, Json] = {key: value for key, value in record.spec.items() if key not in _DECIDED}
    provider = "auto"
    if record.kind == "vm":
        provider = str(spec["hypervisor"])
        spec["slice"], spec["slices"] = list(spec["slices"]), None
        spec["networks"] = [{"network": nic["network"], "rate": nic.get("rate")} for nic in spec["networks"]]
        spec["mycelium"] = spec["mycelium"] and _overlay_use(spec["mycelium"])
        spec["memory_options"] = {key: value for key, value in spec["memory_options"].items() if key != "boot"}
    elif record.kind == "network":
        spec["forward"] = [_without(rule, "address") for rule in spec.get("forward") or ()]
    return Resource(
        record.address, record.kind, parts.name, parts.number, spec, tuple(record.needs), record.protect, None, provider, literal=True
    )


_ASKED: MadeLately[Resource] = MadeLately()
"""Of a record: in a process that stays, few of them differ from one command to the next."""


def desire(stack: StackName, records: Iterable[Record], outputs: Mapping[str, Json], moved: tuple[Move, ...] = ()) -> Desired:
    """Ask for exactly what these records say."""
    ordered = sorted(records, key=lambda record: ids.sort_key(record.address))
    asked = tuple(_ASKED.make(resource_of, record) for record in ordered)
    _ASKED.end_round()
    return Desired(stack, asked, moved=moved, outputs=dict(outputs))


def with_spec(record: Record, **values: Json) -> Record:
    """Return a record whose target differs in some fields."""
    return record._replace(spec={**record.spec, **values})


def calm(observed: Observed, recorded: Recorded, stack: StackName, touched: Iterable[Address]) -> Observed:
    """Return the observation with all but the touched addresses as recorded, so that a command repairs nothing that it is not about."""
    wanted = set(touched)
    seen = observed.things.get(stack, {})
    things = {address: thing for address, thing in seen.items() if address in wanted}
    for address, record in recorded.records.get(stack, {}).items():
        if address not in wanted:
            things[address] = Thing(stack, address, record.provider, record.parts, recorded.lineage)
    return observed._replace(things={**observed.things, stack: things})


def _overlay_use(use: Mapping[str, Json]) -> dict[str, Json]:
    return {"seed": use.get("seed"), **{key: use[key] for key in _OVERLAY_ASKED if key in use}}


def _without(mapping: Mapping[str, Json], key: str) -> dict[str, Json]:
    return {name: value for name, value in mapping.items() if name != key}
