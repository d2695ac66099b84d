"""From a mark to a machine: puts together what the pure `machine_config` is handed, with what the step brings along."""

import hashlib
import uuid
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers.cloud_hypervisor import file_layout, installation, landlock
from herocloud.providers.cloud_hypervisor.machine_config import Disk, Machine, Nic
from herocloud.providers.vmm import boot_files, device_names, folders, virtiofs
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.supplies import Supplies

AGENT_PORT = 1024
"""The vsock port on which the agent in a guest listens."""


def machine_of(place: Place, mark: Mark, supplies: Supplies, release: int) -> Machine:
    """Put together all that the configuration of a VM depends on."""
    data, sid, part = place.data, place.sid, mark.machine
    payload = boot_files.with_held(data, sid, part)["payload"]
    if payload is None and part["root"] is None:
        raise Permanent(f"`{place.owner.address}` has neither a disk nor a kernel to boot from")
    firmware = firmware_of(place, part)
    return Machine(
        part=part,
        release=release,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place.owner.lineage}/{sid}")),
        serial_socket=file_layout.serial_socket(data, sid),
        vsock_socket=folders.agent_socket(data, sid),
        cid=cid_of(place),
        root=root_of(supplies, part),
        seed=seed_of(supplies) if part["seed"] else None,
        volumes=[volume_of(supplies, use) for use in part["volumes"]],
        nics=[nic_of(supplies, key) for key in part["nics"]],
        shares=virtiofs.shares_of(data, sid, part),
        payload=payload,
        firmware=boot_files.held_firmware(data, sid, firmware) if firmware is not None else None,
        landlock=landlock.rules_of(data, sid),
    )


def firmware_of(place: Place, part: Part) -> Path | None:
    """Return the firmware of a machine that boots its disk."""
    if part["payload"] is not None:
        return None
    firmware = installation.find_firmware()
    if firmware is None:
        raise Permanent(f"`{place.owner.address}` boots from its disk, and {installation.NO_FIRMWARE}")
    return firmware


def root_of(supplies: Supplies, part: Part) -> Disk | None:
    """Describe the root disk."""
    if part["root"] is None:
        return None
    disk = supplies.disk("disk", "the root disk")
    return Disk("root", disk.path, direct=bool(part["root"]["direct"]), serial=disk.serial, rate=part["root"]["rate"])


def seed_of(supplies: Supplies) -> Disk:
    """Describe the seed."""
    disk = supplies.disk("seed", "the seed")
    return Disk("seed", disk.path, readonly=disk.readonly, serial=disk.serial)


def volume_of(supplies: Supplies, use: Json) -> Disk:
    """Describe a volume in a VM."""
    disk = supplies.volume(use["volume"])
    return Disk(device_names.of_volume(use), disk.path, readonly=bool(use["readonly"]), serial=disk.serial)


def nic_of(supplies: Supplies, key: str) -> Nic:
    """Describe a NIC and its tap."""
    attachment, tap = supplies.tap(key)
    return Nic(key, attachment.mac, tap.name, min(2, tap.queues))


def cid_of(place: Place) -> int:
    """Choose the number of a guest on its vsock; each program has a socket of its own, so it need not be the only one."""
    digest = hashlib.blake2b(f"{place.owner.lineage}/{place.sid}".encode(), digest_size=4).digest()
    return 3 + int.from_bytes(digest, "big") % (2**31 - 3)
