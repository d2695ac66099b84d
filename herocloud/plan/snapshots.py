"""The entrances for snapshots: taken, deleted, restored.

A snapshot is a part of its VM, so that it follows a rename, fills the host, drifts and is deleted with it like any other part. A VM that
runs is held while its disks are copied, and let go whatever became of the copies (`vm.thaw` heals).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import jsons, sizes
from herocloud.kits.jsons import Json, Part
from herocloud.model import ids, parts, powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.parts import SNAPSHOT, SnapshotDisk, SnapshotPart
from herocloud.model.plans import Change, FieldDiff, Plan
from herocloud.model.steps import Claim, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.plan import assignment, capacity, finish, lost_data, overpromised, reservations, snapshot_checks, snapshot_space
from herocloud.plan.capacity import Counted
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.step_sequence import StepSequence
from herocloud.providers import registry


class Taking(NamedTuple):
    """How snapshots are taken."""

    name: str
    now: int
    """Seconds since 1970: when it is taken."""
    memory: bool = False
    together: bool = False
    """Hold every VM before the first copy, and let none go before the last."""
    scheduled: bool = False
    versions: Mapping[Address, str] = {}
    """Which version of its hypervisor runs each VM, for memory."""


class _Scene(NamedTuple):
    """What every entrance works on."""

    stack: StackName
    recorded: Recorded
    observed: Observed
    host: Host

    @property
    def records(self) -> Mapping[Address, Record]:
        return self.recorded.records.get(self.stack, {})

    @property
    def counted(self) -> Counted:
        return overpromised.as_counted(self.recorded, self.observed, self.host, self.stack)

    def restored(self, address: Address) -> dict[str, Json]:
        """Return which restoring put the disks of an address there."""
        thing = self.observed.things.get(self.stack, {}).get(address)
        return dict(thing.restored) if thing else {}

    def present(self, address: Address) -> Mapping[str, Part]:
        """Return the parts of an address that are there."""
        thing = self.observed.things.get(self.stack, {}).get(address)
        return thing.parts if thing else {}

    def kept(self, record: Record, steps: Sequence[Step]) -> Mapping[str, Part]:
        """Return the parts that a change begins with: as they are where its steps have to do with them, and as they are recorded elsewhere.

        The record begins with these, so what else differs from the record would be taken for what is wanted, and be drift no longer.
        """
        present, touched = self.present(record.address), {step.part for step in steps}
        seen = {part: present[part] for part in touched if part in present}
        return {part: body for part, body in record.parts.items() if part not in touched} | seen

    def providers(self, record: Record) -> Mapping[str, str]:
        return {**assignment.roles_of(record, self.records), "hypervisor": record.provider}

    def sequence(self, record: Record) -> StepSequence:
        return StepSequence(record.address, self.providers(record))


def key_of(name: str) -> str:
    """Return the part that a snapshot is."""
    return f"{SNAPSHOT}{name}"


def plan_taking(records: Sequence[Record], taking: Taking, recorded: Recorded, observed: Observed, host: Host) -> Plan:
    """Return the plan that takes a snapshot of each of these VMs, which are of one stack."""
    scene = _Scene(
        records[0].stack, reservations.occupied(recorded, records[0].stack, [record.address for record in records]), observed, host
    )
    diagnostics: list[Diagnostic] = []
    decisions: dict[Address, Decision] = {}
    for record in records:
        diagnostics += snapshot_checks.taking(record, scene.present(record.address), taking.name, memory=taking.memory)
        if not diagnostics:
            decisions[record.address] = _take(scene, record, taking)
    waits = _wait_for_each_other(decisions) if taking.together else {}
    return _finish(scene, "vm snapshot create", decisions, diagnostics, waits, [taking.name, taking.now])


def _take(scene: _Scene, record: Record, taking: Taking) -> Decision:
    seq, present = scene.sequence(record), scene.present(record.address)
    power = str(present.get("power"))
    part = describe(record, scene.records, present, taking)
    key, running = key_of(taking.name), power == "running"
    frozen = seq.add("vm.freeze", "power", "running", "paused") if running else None
    plain: Part = part
    if taking.memory:
        plain = {**part, "memory": None, "size": part["size"] - (part["memory"] or {"size": 0})["size"]}
    # Room for a scheduled one is promised to its VM already.
    free = snapshot_space.reserved(scene.counted.records[scene.stack][record.address].spec, record.parts) if taking.scheduled else 0
    copied = seq.add("snapshot.create", key, None, plain, [frozen], takes=Claim(disk=max(0, plain["size"] - free)))
    if taking.memory:
        free = max(0, free - plain["size"])
        more = max(0, part["size"] - plain["size"] - free)
        copied = seq.add("snapshot.save", key, plain, part, [copied], takes=Claim(disk=more))
    if running:
        seq.add("vm.thaw", "power", "paused", "running", [frozen, copied])
    note = f"{sizes.show_size(part['size'])}" + (", paused meanwhile" if running else "")
    return _decision(scene, seq, record, taking.name, None, part, note)


def describe(record: Record, records: Mapping[Address, Record], present: Mapping[str, Part], taking: Taking) -> SnapshotPart:
    """Say what a snapshot of a VM will be."""
    disks: list[SnapshotDisk] = []
    root = present.get("disk")
    if root is not None:
        disks.append({"disk": "disk", "path": root["path"], "size": root["size"], "image": root["image"], "source": root["source"]})
    machine = present.get("machine") or record.parts.get("machine")
    for use in (machine or {"volumes": ()})["volumes"]:
        volume = records.get(ids.make_address("volume", use["volume"]))
        if not use["readonly"] and volume is not None and "volume" in volume.parts:
            body = volume.parts["volume"]
            disks.append({"disk": f"volume.{use['volume']}", "path": body["path"], "size": body["size"], "image": None, "source": None})
    size = sum(disk["size"] for disk in disks)
    part: SnapshotPart = {
        "path": f"vms/{record.sid}/snapshots/{taking.name}",
        "created": taking.now,
        "power": str(present.get("power", "stopped")),
        "size": size,
        "disks": disks,
        "memory": None,
        "scheduled": taking.scheduled,
    }
    if taking.memory and machine is not None:
        wanted: Part = {field: value for field, value in machine.items() if field not in powers.ONLY_SEEN}
        part["memory"] = {
            "size": machine["memory"],
            "hypervisor": record.provider,
            "version": taking.versions.get(record.address, ""),
            "machine": wanted,
        }
        part["size"] += machine["memory"]
    return part


def _wait_for_each_other(decisions: Mapping[Address, Decision]) -> dict[StepId, set[StepId]]:
    """Let no copy begin before every VM is held, and no VM go on before every copy is made."""
    steps = [step for decision in decisions.values() for step in decision.steps]
    held = {step.id for step in steps if step.kind == "vm.freeze"}
    copied = {step.id for step in steps if step.kind in ("snapshot.create", "snapshot.save")}
    waits = {step.id: held - set(step.needs) for step in steps if step.kind == "snapshot.create"}
    waits |= {step.id: copied - set(step.needs) for step in steps if step.kind == "vm.thaw"}
    return {step: needs for step, needs in waits.items() if needs}


def plan_deletion(record: Record, names: Sequence[str], recorded: Recorded, observed: Observed, host: Host, *, purge: bool) -> Plan:
    """Return the plan that deletes snapshots of a VM."""
    scene = _Scene(record.stack, reservations.occupied(recorded, record.stack, [record.address]), observed, host)
    present = scene.present(record.address)
    found = [diagnostic for name in names for diagnostic in snapshot_checks.existing(record, present, name)]
    seq = scene.sequence(record)
    gone: list[Part] = []
    for name in () if found else names:
        part = present[key_of(name)]
        gone.append(part)
        seq.add("snapshot.delete", key_of(name), part, None, gives=Claim(disk=part["size"] if purge else 0))
    size = sizes.show_size(sum(part["size"] for part in gone))
    note = f"{size} of data {lost_data.say_fate(purge=purge)}"
    decisions = {record.address: _decision(scene, seq, record, ", ".join(names), gone[0], None, note, Impact.DATA)} if gone else {}
    return _finish(scene, "vm snapshot delete", decisions, found, {}, [*names, purge], purge=purge)


class Restoring(NamedTuple):
    """What is restored, and how."""

    name: str
    now: int
    memory: bool
    """Whether the VM goes on where it was; else it boots from its disks."""
    version: str | None = None
    """The version of the hypervisor that would read the memory."""


def plan_restoring(record: Record, restoring: Restoring, recorded: Recorded, observed: Observed, host: Host) -> Plan:
    """Return the plan that puts the disks of a snapshot in the place of those that a VM has."""
    scene = _Scene(record.stack, reservations.occupied(recorded, record.stack, [record.address]), observed, host)
    present = scene.present(record.address)
    found = list(snapshot_checks.existing(record, present, restoring.name))
    if not found:
        found += snapshot_checks.restoring(
            record, scene.records, present, restoring.name, memory=restoring.memory, version=restoring.version
        )
    if found:
        return _finish(scene, "vm snapshot restore", {}, found, {}, [restoring.name])
    # Two restorings within one second are two plans: the second replaces what the first has put there.
    disks = present[key_of(restoring.name)]["disks"]
    owners = (record if disk["disk"] == "disk" else snapshot_checks.volume_of(scene.records, disk) for disk in disks)
    put_there = [scene.restored(address) for address in sorted(owner.address for owner in owners if owner is not None)]
    return _finish(scene, "vm snapshot restore", *_restore(scene, record, restoring), [restoring.name, restoring.now, *put_there])


def _restore(
    scene: _Scene, record: Record, restoring: Restoring
) -> tuple[dict[Address, Decision], list[Diagnostic], dict[StepId, set[StepId]]]:
    seq, present = scene.sequence(record), scene.present(record.address)
    snapshot, power = present[key_of(restoring.name)], present.get("power")
    stop = None
    if power in powers.ALIVE:
        stop = seq.add("vm.stop", "power", "paused" if power == "paused" else "running", "stopped")
    back: list[StepId] = []
    decisions: dict[Address, Decision] = {}
    waits: dict[StepId, set[StepId]] = {}
    lost = 0
    # The serial tells two within one second apart.
    token = {"token": f"{restoring.name}-{restoring.now}-{scene.recorded.serial}"}
    for disk in snapshot["disks"]:
        origin = origin_of(record, restoring.name, snapshot, disk["disk"]) | token
        if disk["disk"] == "disk":
            root = present["disk"]
            lost += root["size"]
            back.append(seq.add("disk.restore", "disk", root, root, [stop], takes=Claim(disk=root["size"]), origin=origin))
            continue
        volume = snapshot_checks.volume_of(scene.records, disk) or scene.records[Address(disk["disk"])]
        body = volume.parts["volume"]
        inner = StepSequence(volume.address, scene.providers(record))
        step = inner.add("volume.restore", "volume", body, body, takes=Claim(disk=body["size"]), origin=origin)
        if stop is not None:
            waits[step] = {stop}
        back.append(step)
        note = f"{sizes.show_size(body['size'])} of data {lost_data.say_fate(purge=False)}"
        restored = inner.finish()
        decisions[volume.address] = Decision(_restored(scene, volume, restored, restoring.name, note), restored)
    again = snapshot["memory"] is not None and restoring.memory
    own = [step for step in back if step.startswith(f"{record.address}/")]
    started = None
    if again:
        origin = origin_of(record, restoring.name, snapshot, "") | token
        started = seq.add("vm.revive", "power", "stopped", "running", [stop, *own], origin=origin)
    elif power != "stopped":
        started = seq.add("vm.boot", "power", "stopped", "running", [stop, *own])
        if power == "paused":
            seq.add("vm.pause", "power", "running", "paused", [started])
    if started is not None and len(own) < len(back):
        waits[started] = {step for step in back if step not in own}
    note = f"from snapshot {restoring.name}; {sizes.show_size(lost)} of data {lost_data.say_fate(purge=False)}"
    if again:
        note += ", and it goes on where it was"
    steps = seq.finish()
    change = _restored(scene, record, steps, restoring.name, note)
    if again and record.spec["state"] != "running":
        change = change._replace(after={**record.spec, "state": "running"})
    decisions = {record.address: Decision(change, steps), **decisions}
    return decisions, [], waits


def origin_of(record: Record, name: str, snapshot: Part, disk: str) -> dict[str, Json]:
    """Say where the data of one disk of a snapshot lies; for its memory the disk is empty."""
    path = f"{snapshot['path']}/{parts.copy_file(disk)}" if disk else snapshot["path"]
    return {"stack": record.stack, "address": record.address, "snapshot": name, "disk": disk, "path": path}


def _restored(scene: _Scene, record: Record, steps: Sequence[Step], name: str, note: str) -> Change:
    return Change(
        address=record.address,
        kind=record.kind,
        action=Action.REPLACE,
        reason=Reason.RESTORE_ASKED,
        impact=Impact.DATA,
        provider=record.provider,
        before=record.spec,
        after=record.spec,
        fields=(FieldDiff("data", "as it is now", f"snapshot {name}", Impact.DATA, "what was written since is replaced"),),
        sid=record.sid,
        protect=record.protect,
        needs=record.needs,
        note=note,
        parts_before=scene.kept(record, steps) or None,
    )


def _decision(
    scene: _Scene,
    seq: StepSequence,
    record: Record,
    name: str,
    before: Part,
    after: Part,
    note: str,
    impact: Impact = Impact.LIVE,
) -> Decision:
    shown = [None if part is None else _say(part) for part in (before, after)]
    steps = seq.finish()
    change = Change(
        address=record.address,
        kind="vm",
        action=Action.UPDATE,
        reason=Reason.SNAPSHOT_ASKED,
        impact=impact,
        provider=record.provider,
        before=record.spec,
        after=record.spec,
        fields=(FieldDiff(f"snapshot.{name}", shown[0], shown[1], impact),),
        sid=record.sid,
        protect=record.protect,
        needs=record.needs,
        note=note,
        parts_before=scene.kept(record, steps) or None,
    )
    return Decision(change, steps)


def _say(part: Part) -> str:
    text = f"{sizes.show_size(part['size'])} of {', '.join(disk['disk'] for disk in part['disks']) or 'no disk'}"
    return text + (" and memory" if part["memory"] else "")


def _finish(
    scene: _Scene,
    operation: str,
    decisions: dict[Address, Decision],
    diagnostics: Sequence[Diagnostic],
    waits: Mapping[StepId, set[StepId]],
    named: Json,
    *,
    purge: bool = False,
) -> Plan:
    return finish.finish(
        Draft(
            stack=scene.stack,
            operation=operation,
            world=World(scene.recorded, scene.observed, scene.host),
            named_after=[operation, jsons.dumps(named)],
            decisions=decisions,
            found=tuple(diagnostics),
            outputs=scene.recorded.outputs.get(scene.stack, {}),
            used=capacity.used(scene.counted, scene.observed),
            waits=waits,
            narrow=True,
            purge=purge,
            # What is refused has no decisions, and the VMs of a stack are all of one sort.
            simulated=any(record.kind == "vm" and registry.is_simulated(record.provider) for record in scene.records.values()),
        )
    )
