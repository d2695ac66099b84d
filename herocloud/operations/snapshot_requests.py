"""Snapshots of VMs: planned, listed, found. They are planned, proven and journalled like a stack."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.known_snapshots import Snapshot
from herocloud.model.parts import SNAPSHOT
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.inputs import Hosting
from herocloud.operations.stack_plans import Planned


class Wanted(NamedTuple):
    """A snapshot that is asked for."""

    vms: tuple[str, ...]
    stack: str | None = None
    name: str | None = None
    """Nothing takes the time as its name."""
    memory: bool = False
    together: bool = False
    scheduled: bool = False


def name_at(now: float) -> str:
    """Return the name of a snapshot that nobody named: the moment in UTC."""
    return time.strftime("s%Y%m%d-%H%M%S", time.gmtime(now))


def plan_create(folder: Path, wanted: Wanted, now: float) -> list[Planned]:
    """Plan snapshots of these VMs, one plan for each stack that they are of."""
    from herocloud.plan import snapshots

    recorded = lookups.read_recorded(folder)
    found = [lookups.find_vm(recorded, name, wanted.stack) for name in wanted.vms]
    records = list({(record.stack, record.address): record for record in found}.values())
    stacks = list(dict.fromkeys(record.stack for record in records))
    if wanted.together and len(stacks) > 1:
        names = ", ".join(f"`{stack}`" for stack in stacks)
        detail = f"The VMs are of the stacks {names}, and what is held together is of one stack."
        raise Refused([Diagnostic("several-stacks", "VMs of several stacks", detail, hint="take the snapshots one stack after the other")])
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, tuple(stacks))
    versions = {record.address: _version(record, host, record.sid) for record in records} if wanted.memory else {}
    if wanted.memory:
        _require_memory(records)
    taking = snapshots.Taking(wanted.name or name_at(now), int(now), wanted.memory, wanted.together, wanted.scheduled, versions)
    return [
        stack_plans.without_file(
            snapshots.plan_taking([record for record in records if record.stack == stack], taking, recorded, observed, host.host),
            recorded,
            observed,
            host,
        )
        for stack in stacks
    ]


def fits(planned: Sequence[Planned]) -> bool:
    """Return whether the host has room for what these plans take."""
    return not any(diagnostic.code.startswith("does-not-fit") for planned_stack in planned for diagnostic in planned_stack.plan.diagnostics)


def plan_delete(folder: Path, vm: str, names: Sequence[str], stack: str | None, *, purge: bool) -> Planned:
    """Plan the deletion of snapshots of a VM."""
    from herocloud.plan import snapshots

    recorded, record, host, observed = _look(folder, vm, stack)
    plan = snapshots.plan_deletion(record, tuple(dict.fromkeys(names)), recorded, observed, host.host, purge=purge)
    return stack_plans.without_file(plan, recorded, observed, host)


def plan_restore(folder: Path, vm: str, name: str, stack: str | None, now: float, *, memory: bool) -> Planned:
    """Plan to put what a snapshot holds in the place of what a VM has."""
    from herocloud.plan import snapshots

    recorded, record, host, observed = _look(folder, vm, stack)
    restoring = snapshots.Restoring(name, int(now), memory, _version(record, host))
    return stack_plans.without_file(snapshots.plan_restoring(record, restoring, recorded, observed, host.host), recorded, observed, host)


def list_all(folder: Path, vms: Sequence[str], stack: str | None) -> list[Snapshot]:
    """List the snapshots of these VMs, or of all, oldest first."""
    recorded = lookups.read_recorded(folder)
    if vms:
        records = [lookups.find_vm(recorded, name, stack) for name in vms]
    else:
        records = [record for record in lookups.records_of(recorded, stack) if record.kind == "vm"]
    if not records:
        return []
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, tuple(dict.fromkeys(record.stack for record in records)))
    return [snapshot for record in records for snapshot in _of(record, observed)]


def find(folder: Path, vm: str, name: str, stack: str | None) -> Snapshot:
    """Return one snapshot; raises Refused that names the nearest."""
    from herocloud.plan import snapshot_checks

    _, record, _, observed = _look(folder, vm, stack)
    known = {snapshot.name: snapshot for snapshot in _of(record, observed)}
    if name in known:
        return known[name]
    raise Refused(
        list(snapshot_checks.existing(record, {f"{SNAPSHOT}{snapshot.name}": snapshot.part for snapshot in known.values()}, name))
    )


def _of(record: Record, observed: Observed) -> list[Snapshot]:
    thing = observed.things.get(record.stack, {}).get(record.address)
    return of_vm(record, thing.parts, thing.taken) if thing is not None else of_vm(record, {})


def of_vm(record: Record, seen: Mapping[str, Part], taken: Mapping[str, float] = {}) -> list[Snapshot]:
    """Return the snapshots of a VM that are recorded or seen, oldest first; `taken` says of those seen when they were taken."""
    found = [
        Snapshot(record, key.removeprefix(SNAPSHOT), part, key in seen, int(taken.get(key, part["created"])))
        for key, part in {**record.parts, **seen}.items()
        if key.startswith(SNAPSHOT)
    ]
    return sorted(found, key=lambda one: (one.taken, one.name))


def _look(folder: Path, vm: str, stack: str | None) -> tuple[Recorded, Record, Hosting, Observed]:
    recorded = lookups.read_recorded(folder)
    record = lookups.find_vm(recorded, vm, stack)
    host = inputs.find_host(folder, recorded)
    return recorded, record, host, stack_plans.look(host, (record.stack,))


def _require_memory(records: Sequence[Record]) -> None:
    from herocloud.providers import registry

    for record in records:
        if not registry.hypervisor(record.provider).snapshots:
            detail = f"`{record.address}` runs on {record.provider}, of which only disks are kept."
            raise Refused([Diagnostic("snapshot-memory", "No memory to keep", detail, address=record.address, hint="leave out `--memory`")])


def _version(record: Record, host: Hosting, sid: str | None = None) -> str:
    from herocloud.providers import registry

    return registry.hypervisor(record.provider).version(host.context, sid) or ""
