"""Clones: a new VM from a snapshot of another one, taken for it where nobody names one."""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.model.parts import SNAPSHOT, SnapshotPart
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.deployment import STACK
from herocloud.operations.inputs import Hosting
from herocloud.operations.stack_plans import Planned

_OF_ITS_NAME = ("snapshot-exists", "snapshot-name")
"""What stands against the name of a snapshot; nobody chose that of a passing one, and the plan judges the name that it comes from."""
_NO_MEMORY = "memory is never copied; write another VM of its image into a stack file"


class CloneWanted(NamedTuple):
    """The clone that is asked for."""

    vm: str
    name: str
    stack: str | None = None
    """Of the original."""
    snapshot: str | None = None
    """Nothing takes one, and deletes it when the clone is there."""
    slices: tuple[str, ...] = ()


def passing_name(purpose: str, name: str) -> str:
    """Return what a snapshot is called that is only taken for a clone or an export."""
    return f"{purpose}-{name}"[:63].rstrip("-")


def require_disks(folder: Path, record: Record, name: str, now: int) -> None:
    """Raise where there is nothing to copy of a VM, before a snapshot is taken for that."""
    recorded = lookups.read_recorded(folder)
    observed = stack_plans.look(inputs.find_host(folder, recorded), (record.stack,))
    snapshot_of(record, recorded, observed, name, now, must_be=False)


def plan_clone(folder: Path, wanted: CloneWanted, now: int) -> Planned:
    """Plan the clone; a snapshot that is only going to be taken for it is counted on."""
    from herocloud.plan import clones, snapshots

    recorded = lookups.read_recorded(folder)
    record = lookups.find_vm(recorded, wanted.vm, wanted.stack)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, tuple({record.stack, STACK}))
    name = wanted.snapshot or passing_name("clone", wanted.name)
    part = snapshot_of(record, recorded, observed, name, now, must_be=wanted.snapshot is not None)
    disks: dict[str, tuple[int, dict[str, Json]]] = {
        disk["disk"]: (disk["size"], snapshots.origin_of(record, name, part, disk["disk"])) for disk in part["disks"]
    }
    original = clones.original_of(record, recorded.records[record.stack], disks)
    asked = clones.Wanted(wanted.name, STACK, "vm clone", wanted.slices)
    plan = clones.plan_copy(asked, original, recorded, observed, able(host, original.vm).host)
    return stack_plans.without_file(plan, recorded, observed, host)


def able(host: Hosting, vm: Resource) -> Hosting:
    """Return the machine with what it can do for such a VM."""
    return stack_plans.able(host, Desired(STACK, (vm,)), None)


def snapshot_of(record: Record, recorded: Recorded, observed: Observed, name: str, now: int, *, must_be: bool) -> SnapshotPart:
    """Return a snapshot as it is, or as it would be if it were taken now."""
    from herocloud.plan import snapshot_checks, snapshots

    thing = observed.things.get(record.stack, {}).get(record.address)
    present = thing.parts if thing is not None else {}
    there: SnapshotPart | None = present.get(f"{SNAPSHOT}{name}")
    if there is not None:
        return there
    if must_be:
        raise Refused(list(snapshot_checks.existing(record, present, name)))
    against = list(snapshot_checks.taking(record, {**present, f"{SNAPSHOT}{name}": None}, name, memory=False))
    wrong = [
        diagnostic._replace(hint=_NO_MEMORY) if diagnostic.code == "snapshot-empty" else diagnostic
        for diagnostic in against
        if diagnostic.code not in _OF_ITS_NAME
    ]
    if wrong:
        raise Refused(wrong)
    return snapshots.describe(record, recorded.records[record.stack], present, snapshots.Taking(name, now))
