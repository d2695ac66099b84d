"""What a step gets from the providers of other parts: disks and network cards for a hypervisor, running VMs for a network.

Providers do not read each other's files. What one has made is in the record, as the part that came out; its provider says what that part
means to a hypervisor, and here it goes into the step that needs it. All of it is pure but for two questions: whether a VM's process lives,
and what its image held when somebody looked.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.ids import Address, Sid
from herocloud.model.plans import Change
from herocloud.model.specs import plugged
from herocloud.model.steps import KINDS, READY, Step
from herocloud.model.worlds import Record
from herocloud.plan import assignment
from herocloud.providers import registry
from herocloud.providers.seam import Attachment, Card, Disk, DiskUse, Work

Records = Mapping[Address, Record]
"""The records of one stack, as they are at this moment of its apply."""


def spec_for(step: Step, change: Change) -> Mapping[str, object]:
    """Return the target that a step is about: the old one for a removal, the new one for everything else."""
    removes = change.after is None or (step.after is None and change.before is not None)
    return (change.before if removes else change.after) or {}


def supply(work: Work, record: Record | None, records: Records, folder: Path) -> Work:
    """Return the work with what its step needs of other providers; `record` is that of its address."""
    step = work.step
    role = KINDS[step.kind].role
    if step.kind == READY:
        return work._replace(peers=tuple(_peers(step, records)))
    declaration = registry.known_as(step.provider) if role in ("hypervisor", "network") else None
    if declaration is None or declaration.simulation is not None:
        return work
    if role == "network":
        running = frozenset(_running(step, records, folder)) if step.part == "network" else frozenset()
        return work._replace(running=running)
    if record is None:
        return work
    roles = assignment.roles_of(record, records)
    return work._replace(
        attachments=dict(_attachments(record, records, roles["network"])),
        disks=dict(_disks(step, record, records, roles["images"], folder)),
        boots=_boots(step, record, roles["images"], folder),
    )


def _peers(step: Step, records: Records) -> Iterator[tuple[Address, Sid]]:
    """Yield the instances of the same block that run, and are not being changed."""
    block = step.address.partition("[")[0]
    for record in records.values():
        passed_over = record.address == step.address or record.address.partition("[")[0] != block
        if not passed_over and record.complete and record.sid is not None and record.parts.get("power") == "running":
            yield record.address, record.sid


def _attachments(record: Record, records: Records, provider: str) -> Iterator[tuple[str, Attachment]]:
    planning = registry.network(provider).planning()
    for key, nic in record.parts.items():
        if key.startswith("nic."):
            network = records.get(Address(f"network.{nic['network']}")) or _network_around(nic["address"], records)
            yield key, planning.attachment(Card(record.address, nic, network.parts.get("network") if network else None))


def _network_around(address: str | None, records: Records) -> Record | None:
    """Return the network whose range an address is in: one that is being renamed goes by another name for a while."""
    import ipaddress

    for record in records.values() if address else ():
        part = record.parts.get("network")
        if part and ipaddress.ip_address(address or "") in ipaddress.ip_network(part["cidr"]):
            return record
    return None


def _disks(step: Step, record: Record, records: Records, provider: str, folder: Path) -> Iterator[tuple[str, Disk]]:
    images = registry.images(provider)
    if (root := record.parts.get("disk")) is not None:
        yield "disk", images.disk(folder, DiskUse(root, "root"))
    if (seed := record.parts.get("seed")) is not None:
        yield "seed", images.disk(folder, DiskUse(seed, "seed", readonly=True))
    for use in _volumes(record.parts.get("machine"), step):
        volume = records.get(Address(f"volume.{use['volume']}")) or _made_as(plugged(use), records)
        if volume is not None and "volume" in volume.parts:
            yield f"volume.{use['volume']}", images.disk(folder, DiskUse(volume.parts["volume"], plugged(use), bool(use["readonly"])))


def _boots(step: Step, record: Record, provider: str, folder: Path) -> Mapping[str, str]:
    machine = next((part for part in (step.after, record.parts.get("machine")) if isinstance(part, dict) and "payload" in part), None)
    payload = machine["payload"] if machine is not None else None
    return registry.images(provider).boots(folder, record.stack, payload) if payload else {}


def _made_as(name: str, records: Records) -> Record | None:
    """Return the volume whose file has a name: one that is being renamed, or whose rename is taken back, goes by another for a while."""
    file = f"/{name}.raw"
    volumes = (record for record in records.values() if record.kind == "volume" and "volume" in record.parts)
    return next((record for record in volumes if str(record.parts["volume"]["path"]).endswith(file)), None)


def _volumes(machine: Part, step: Step) -> Iterator[Json]:
    """Yield the uses of volumes before and after a step; where both have one, that of after is the last."""
    for part in (machine, step.before, step.after):
        if isinstance(part, dict):
            yield from part.get("volumes") or ()


def _running(step: Step, records: Records, folder: Path) -> Iterator[Address]:
    """Yield the VMs that a network forwards ports to, before or after, and whose processes live."""
    forwards = [forward for part in (step.before, step.after) if part for forward in part.get("forward") or ()]
    for address in {Address(forward["vm"]) for forward in forwards}:
        vm = records.get(address)
        if vm is not None and vm.sid is not None and registry.hypervisor(vm.provider).runs(folder, vm.sid):
            yield address
