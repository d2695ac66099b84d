"""Records changed by hand, and the stack as it stands, with which imperative commands begin.

What stands, as something to desire: records turned back into what a stack file would ask for. Imperative commands (`vm stop`, `state mv`,
`undo`) change one thing and want everything else to stay. They state exactly that as a `Desired`, so that they go through the same
planner, proof and journal as a stack file. Everything that was decided is pinned.

Changing records by hand, under the lock: rename, forget, protect. The machines are not touched.

`state mv`: a record under another name, with the mark on the machine changed along, as a plan of its own.

Renaming the record alone would leave the machine marked with the old address, and the next plan would take it for gone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Desired, Move, Observed, Record, Recorded, Resource, Thing
from herocloud.operations import admission, inputs, planning, reading
from herocloud.operations.callers import How
from herocloud.operations.planning import Planned
from herocloud.plan.gathering import PlanOptions
from herocloud.state.store import Store

_DECIDED = frozenset({"sid", "image_id", "gateway", "subnet"})
"""Values that the planner adds and no file asks for."""


def resource_of(record: Record) -> Resource:
    """Turn a record back into what was asked for, with every decided value pinned."""
    parts = ids.split_address(record.address)
    assert parts is not None  # noqa: S101  (the state checks addresses)
    spec: dict[str, Any] = {key: value for key, value in record.spec.items() if key not in _DECIDED}
    provider = "auto"
    if record.kind == "vm":
        provider = str(spec["hypervisor"])
        spec["slice"], spec["slices"] = list(spec["slices"]), None
        spec["networks"] = [{"network": nic["network"], "rate": nic.get("rate")} for nic in spec["networks"]]
        spec["mycelium"] = spec["mycelium"] and {"seed": spec["mycelium"]["seed"]}
        spec["memory_options"] = {key: value for key, value in spec["memory_options"].items() if key != "boot"}
    elif record.kind == "network":
        spec["forward"] = [_without(one, "address") for one in spec.get("forward") or ()]
    return Resource(record.address, record.kind, parts.name, parts.number, spec, tuple(record.needs), record.protect, None, provider)


def desire(stack: StackName, records: Iterable[Record], outputs: Mapping[str, Json], moved: tuple[Move, ...] = ()) -> Desired:
    """Ask for exactly what these records say."""
    ordered = sorted(records, key=lambda record: ids.sort_key(record.address))
    return Desired(stack, tuple(resource_of(record) for record in ordered), moved=moved, outputs=dict(outputs))


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


def _without(mapping: Mapping[str, Json], key: str) -> dict[str, Json]:
    return {name: value for name, value in mapping.items() if name != key}


def remove(folder: Path, address: str, stack: str | None, how: How) -> Record:
    """Forget a record; returns what it was."""
    from herocloud.state import editing

    found = reading.find_record(reading.read_recorded(folder), address, stack)
    with admission.editing(folder, found.stack, "state rm", how) as store:
        record = _find(store, address, found.stack)
        if record.protect:
            detail = f"`{record.address}` is protected, and a record that is gone protects nothing."
            raise Blocked(
                [
                    Diagnostic(
                        "protected",
                        "Protected",
                        detail,
                        address=record.address,
                        hint=f"`herocloud state protect --off {record.address}` lifts it first",
                    )
                ]
            )
        editing.remove_record(store, record.stack, record.address, how.caller)
    return record


def protect(folder: Path, address: str, stack: str | None, how: How, *, on: bool) -> Record:
    """Protect a record from deletion and replacement, or take that away."""
    from herocloud.state import editing

    found = reading.find_record(reading.read_recorded(folder), address, stack)
    with admission.editing(folder, found.stack, "state protect", how) as store:
        record = _find(store, address, found.stack)
        if record.protect is not on:
            editing.set_protect(store, record.stack, record.address, on, how.caller)
    return record


def _find(store: Store, address: str, stack: StackName) -> Record:
    admission.require_ended(store.pending(), stack)
    return reading.find_record(store.recorded(), address, stack)


def plan_move(folder: Path, origin: str, target: str, stack: str | None) -> Planned:
    """Plan to rename one record."""
    from herocloud.plan import planning as planner

    recorded = reading.read_recorded(folder)
    record = reading.find_record(recorded, origin, stack)
    admission.require_ended(recorded.unfinished, record.stack)
    there = recorded.records[record.stack]
    new = _target_address(record, target)
    if new in there:
        detail = f"`{new}` is recorded in stack `{record.stack}` already."
        raise Refused([Diagnostic("address-taken", "The address is taken", detail, address=new, hint="move or forget that one first")])
    host = inputs.find_host(folder, recorded)
    observed = calm(planning.look(host, (record.stack,)), recorded, record.stack, (record.address,))
    renamed = [_rename_need(one, record.address, new) for one in there.values() if one.address != record.address]
    # The new name is asked for with what is recorded, so that a move is all there is to do.
    renamed.append(record._replace(address=new))
    moved = (Move(record.address, new),)
    desired = desire(record.stack, renamed, recorded.outputs.get(record.stack, {}), moved)
    plan = planner.plan(desired, recorded, observed, host.host, PlanOptions(operation="state mv"))
    return Planned(plan, desired, recorded, observed, host)


def _target_address(record: Record, target: str) -> Address:
    parts = ids.split_address(target)
    if parts is None or parts.kind != record.kind or (parts.kind != "peer" and not ids.NAME.match(parts.name)):
        detail = f"`{target}` is not the address of a {record.kind}; write it like `{record.kind}.NAME` or `{record.kind}.NAME[0]`."
        raise Refused([Diagnostic("bad-move", "A record keeps its kind", detail, address=record.address)])
    return Address(target)


def _rename_need(record: Record, old: Address, new: Address) -> Record:
    """Make whoever relied on the old name rely on the new one; volumes and networks are named inside of targets too."""
    kind, _, old_name = old.partition(".")
    new_name = new.partition(".")[2]
    record = record._replace(needs=tuple(new if need == old else need for need in record.needs))
    if kind == "volume" and record.kind == "vm":
        volumes = [{**one, "volume": new_name} if one["volume"] == old_name else one for one in record.spec["volumes"]]
        record = with_spec(record, volumes=volumes)
    if kind == "vm" and record.kind == "network":
        forward = [{**one, "vm": new} if one["vm"] == old else one for one in record.spec.get("forward") or ()]
        record = with_spec(record, forward=forward)
    return record
