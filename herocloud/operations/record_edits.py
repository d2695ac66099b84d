"""Records changed by hand, under the lock: rename, forget, protect. Machines are not touched, with one exception.

`state mv` also changes the mark on the machine, as a plan of its own: with the record alone renamed, the next plan would find a machine
that is marked with the old address and take the new one for gone.
"""

from pathlib import Path

from herocloud.model import ids, needs
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Move, Record
from herocloud.operations import admission, damage, inputs, lookups, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.stack_plans import Planned
from herocloud.plan import recorded_stack
from herocloud.plan.scope import PlanOptions
from herocloud.state.store import Store


def remove(folder: Path, address: str, stack: str | None, how: How) -> Record:
    """Forget a record; returns what it was, or what is left of one that cannot be read."""
    from herocloud.state import edits

    unreadable = damage.find(lookups.read_recorded(folder), address, stack)
    if unreadable is not None:
        with admission.editing(folder, unreadable.stack, "state rm", how) as store:
            admission.require_ended(store.pending(), unreadable.stack)
            edits.drop_row(store, unreadable.stack, unreadable.address, how.caller)
        return unreadable
    found = lookups.find_record(lookups.read_recorded(folder), address, stack)
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
        edits.remove_record(store, record.stack, record.address, how.caller)
    return record


def protect(folder: Path, address: str, stack: str | None, how: How, *, on: bool) -> Record:
    """Protect a record from deletion and replacement, or take that away."""
    from herocloud.state import edits

    found = lookups.find_record(lookups.read_recorded(folder), address, stack)
    with admission.editing(folder, found.stack, "state protect", how) as store:
        record = _find(store, address, found.stack)
        if record.protect is not on:
            edits.set_protect(store, record.stack, record.address, on, how.caller)
    return record


def _find(store: Store, address: str, stack: StackName) -> Record:
    admission.require_ended(store.pending(), stack)
    return lookups.find_record(store.recorded(), address, stack)


def plan_move(folder: Path, origin: str, target: str, stack: str | None) -> Planned:
    """Plan to rename one record."""
    from herocloud.plan import planner

    recorded = lookups.read_recorded(folder)
    record = lookups.find_record(recorded, origin, stack)
    admission.require_ended(recorded.unfinished, record.stack)
    there = recorded.records[record.stack]
    new = _target_address(record, target)
    if new in there:
        detail = f"`{new}` is recorded in stack `{record.stack}` already."
        raise Refused([Diagnostic("address-taken", "The address is taken", detail, address=new, hint="move or forget that one first")])
    host = inputs.find_host(folder, recorded)
    observed = recorded_stack.calm(stack_plans.look(host, (record.stack,)), recorded, record.stack, (record.address,))
    renamed = [_rename_need(other, record.address, new) for other in there.values() if other.address != record.address]
    # The new name is asked for with what is recorded, so that a move is all there is to do.
    renamed.append(record._replace(address=new))
    moved = (Move(record.address, new),)
    desired = recorded_stack.desire(record.stack, renamed, recorded.outputs.get(record.stack, {}), moved)
    plan = planner.plan(desired, recorded, observed, host.host, PlanOptions(operation="state mv"))
    return Planned(plan, desired, recorded, observed, host)


def _target_address(record: Record, target: str) -> Address:
    parts = ids.split_address(target)
    if parts is None or parts.kind != record.kind or (parts.kind != "peer" and not ids.NAME.match(parts.name)):
        detail = f"`{target}` is not the address of a {record.kind}; write it like `{record.kind}.NAME` or `{record.kind}.NAME[0]`."
        raise Refused([Diagnostic("bad-move", "A record keeps its kind", detail, address=record.address)])
    return Address(target)


def _rename_need(record: Record, old: Address, new: Address) -> Record:
    """Make records that rely on the old name rely on the new one; volumes and networks are named inside of targets too."""
    kind, _, old_name = old.partition(".")
    new_name = new.partition(".")[2]
    record = needs.follow(record, {old: new})
    if kind == "volume" and record.kind == "vm":
        volumes = [{**use, "volume": new_name} if use["volume"] == old_name else use for use in record.spec["volumes"]]
        record = recorded_stack.with_spec(record, volumes=volumes)
    if kind == "network" and record.kind == "vm":
        networks = [{**nic, "network": new_name} if nic["network"] == old_name else nic for nic in record.spec["networks"]]
        record = recorded_stack.with_spec(record, networks=networks)
    if kind == "vm" and record.kind == "network":
        forward = [{**rule, "vm": new} if rule["vm"] == old else rule for rule in record.spec.get("forward") or ()]
        record = recorded_stack.with_spec(record, forward=forward)
    return record
