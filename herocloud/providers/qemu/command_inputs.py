"""From a mark to a command line: puts together what the pure `command_line` is handed.

What hangs on what was decided by the providers that made it, and comes along with the step: a card on a tap or on a network in user mode,
a disk on its file. Only what is QEMU's own is looked up here: sockets, daemons of shares, the firmware.
"""

import hashlib
import os
import uuid
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers import seam
from herocloud.providers.qemu import firmware
from herocloud.providers.qemu.command_line import Disk, Machine, Nic, Sockets
from herocloud.providers.seam import Attachment, UserNetwork
from herocloud.providers.vmm import boot_files, device_names, folders, virtiofs
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.supplies import Supplies

CONTROL, LOOKING = "qmp.sock", "look.sock"
_MOST_QUEUES = 8


def sockets_of(data: Path, sid: str) -> Sockets:
    """Return the sockets of a VM."""
    return Sockets(
        folders.control_socket(data, sid, CONTROL),
        folders.control_socket(data, sid, LOOKING),
        folders.agent_socket(data, sid),
        folders.console_socket(data, sid),
        folders.serial_log(data, sid),
    )


def machine_of(place: Place, mark: Mark, supplies: Supplies, program: str, accelerator: str) -> Machine:
    """Put together all that the command line of a VM depends on."""
    data, sid = place.data, place.sid
    part = mark.machine
    payload = boot_files.with_held(data, sid, part)["payload"]
    if payload is None and part["root"] is None:
        raise Permanent(f"`{place.owner.address}` has neither a disk nor a kernel to boot from")
    root, uefi = root_of(supplies, part), uefi_of(place, part, supplies)
    return Machine(
        program=program,
        name=f"{place.owner.stack}/{sid}",
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place.owner.lineage}/{sid}")),
        part=part,
        accelerator=accelerator,
        sockets=sockets_of(data, sid),
        root=root,
        seed=seed_of(supplies) if part["seed"] else None,
        volumes=[volume_of(supplies, use) for use in part["volumes"]],
        nics=[nic_of(supplies, key) for key in part["nics"]],
        shares=virtiofs.shares_of(data, sid, part),
        payload=payload,
        firmware=(boot_files.held_firmware(data, sid, uefi[0]), uefi[1]) if uefi is not None else None,
        vsock=vsock_of(place),
    )


def uefi_of(place: Place, part: Part, supplies: Supplies) -> tuple[Path, Path] | None:
    """Return program and variables of the UEFI firmware of a machine that starts by one."""
    root = root_of(supplies, part) if part["payload"] is None else None
    return firmware.choose(place.data, place.sid, root.path, place.owner.address) if root is not None else None


def root_of(supplies: Supplies, part: Part) -> Disk | None:
    """Describe the root disk."""
    if part["root"] is None:
        return None
    return _disk("root", supplies.disk("disk", "the root disk"), direct=bool(part["root"]["direct"]))


def seed_of(supplies: Supplies) -> Disk:
    """Describe the seed."""
    return _disk("seed", supplies.disk("seed", "the seed"))


def volume_of(supplies: Supplies, use: Json) -> Disk:
    """Describe a volume in a VM."""
    disk = supplies.volume(use["volume"])
    return _disk(device_names.of_volume(use), disk._replace(readonly=bool(use["readonly"])))


def nic_of(supplies: Supplies, key: str) -> Nic:
    """Describe a NIC, and what it hangs on here."""
    attachment = supplies.attachment(key)
    if isinstance(attachment.link, UserNetwork):
        return Nic(key, attachment.mac, None, user=_user_network(attachment.link, attachment))
    queues = min(_MOST_QUEUES, attachment.link.queues, os.cpu_count() or 1)
    return Nic(key, attachment.mac, attachment.link.name, queues, vhost=os.access("/dev/vhost-net", os.R_OK | os.W_OK))


def vsock_of(place: Place) -> int | None:
    """Choose the number under which the guest is reached by vsock, where the host has it; two data folders must not choose the same."""
    if not os.access("/dev/vhost-vsock", os.R_OK | os.W_OK):
        return None
    digest = hashlib.blake2b(f"{place.owner.lineage}/{place.sid}".encode(), digest_size=4).digest()
    return 3 + int.from_bytes(digest, "big") % (2**31 - 3)


def _disk(device: str, disk: seam.Disk, *, direct: bool = False) -> Disk:
    return Disk(device, disk.path, readonly=disk.readonly, direct=direct, serial=disk.serial)


def _user_network(network: UserNetwork, attachment: Attachment) -> dict[str, Json]:
    """Turn a network in user mode into QEMU's words; ports of the host lead to the card that has the address."""
    import ipaddress

    net = ipaddress.ip_network(network.cidr)
    options: dict[str, Json] = {"net": network.cidr, "host": network.gateway, "ipv6": False}
    # QEMU answers for a name server on an address of its own; the last one is what the plan gives away last.
    options["dns"] = str(net.broadcast_address - 1)
    options["restrict"] = not network.nat
    options["hostfwd"] = [
        {"str": f"{forward.protocol}:{forward.host_address}:{forward.host_port}-{attachment.addresses[0]}:{forward.port}"}
        for forward in network.forwards
    ]
    return options
