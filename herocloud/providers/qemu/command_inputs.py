"""From a mark to a command line: looks up what the pure `command_line` is handed, from files of the VM and of the host.

What hangs on what is decided here: a card on a tap that the network provider made, or on a network in user mode when the host has none; a
disk on its file; a share on its daemon.
"""

import hashlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.errors import Permanent
from herocloud.providers.ownership import Owner
from herocloud.providers.qemu import command_line, firmware, virtiofs
from herocloud.providers.qemu.command_line import Disk, Machine, Nic, Sockets
from herocloud.providers.vmm import files, folders
from herocloud.providers.vmm.marks import Mark

CONTROL, LOOKING = "qmp.sock", "look.sock"
_MULTI_QUEUE = 0x0100
_FORWARDED = ("tcp", "udp")


class Place(NamedTuple):
    """One VM in a data folder."""

    data: Path
    sid: str
    owner: Owner


def sockets_of(data: Path, sid: str) -> Sockets:
    """Return the sockets of a VM."""
    return Sockets(
        folders.control_socket(data, sid, CONTROL),
        folders.control_socket(data, sid, LOOKING),
        folders.agent_socket(data, sid),
        folders.console_socket(data, sid),
        folders.serial_log(data, sid),
    )


def machine_of(place: Place, mark: Mark, program: str, accelerator: str) -> Machine:
    """Put together all that the command line of a VM depends on."""
    data, sid = place.data, place.sid
    part = mark.machine
    payload = part["payload"]
    for field, what in (("kernel", "the kernel"), ("initramfs", "the initramfs")):
        if payload is not None and payload[field]:
            files.require(Path(payload[field]), what)
    if payload is None and part["root"] is None:
        raise Permanent(f"`{place.owner.address}` has neither a disk nor a kernel to boot from")
    root = root_of(data, sid, part)
    return Machine(
        program=program,
        name=f"{place.owner.stack}/{sid}",
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place.owner.lineage}/{sid}")),
        part=part,
        accelerator=accelerator,
        sockets=sockets_of(data, sid),
        root=root,
        seed=Disk("seed", files.require(files.seed(data, sid), "the seed"), readonly=True, serial="seed") if part["seed"] else None,
        volumes=[volume_of(place, one) for one in part["volumes"]],
        nics=[nic_of(place, mark.nics, key) for key in part["nics"]],
        shares=virtiofs.shares_of(data, sid, part),
        payload=payload,
        firmware=firmware.choose(data, sid, root.path, place.owner.address) if root is not None and payload is None else None,
        vsock=vsock_of(place),
    )


def root_of(data: Path, sid: str, part: Part) -> Disk | None:
    """Describe the root disk."""
    if part["root"] is None:
        return None
    return Disk("root", files.require(files.root_disk(data, sid), "the root disk"), direct=bool(part["root"]["direct"]), serial="root")


def volume_of(place: Place, use: Json) -> Disk:
    """Describe a volume in a VM."""
    path = files.volume(place.data, place.owner.stack, use["volume"])
    return Disk(command_line.volume_id(use["volume"]), path, readonly=bool(use["readonly"]), serial=use["volume"])


def nics_of(spec: Spec, known: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is to be remembered of every NIC: those of a target, and those that were there before."""
    cards = [*spec.get("networks", ()), *([{"network": "mycelium", **spec["mycelium"]}] if spec.get("mycelium") else [])]
    return {**known, **{f"nic.{card['slot']}": {field: card[field] for field in ("mac", "tap", "network", "address")} for card in cards}}


def nic_of(place: Place, known: Mapping[str, Json], key: str) -> Nic:
    """Describe a NIC, and what it hangs on here."""
    card = known.get(key)
    if card is None:
        raise Permanent(f"nothing is known of the card `{key}` of `{place.owner.address}`")
    device = Path("/sys/class/net") / card["tap"]
    if device.exists():
        several = bool(int((device / "tun_flags").read_text(), 16) & _MULTI_QUEUE)
        queues = min(8, os.cpu_count() or 1) if several else 1
        return Nic(key, card["mac"], card["tap"], queues, vhost=os.access("/dev/vhost-net", os.R_OK | os.W_OK))
    network = place.data / "user-networks" / place.owner.stack / f"{card['network']}.json"
    try:
        return Nic(key, card["mac"], None, user=_user_network(jsons.loads(network.read_bytes()), card))
    except FileNotFoundError:
        raise Permanent(
            f"the tap `{card['tap']}` of `{place.owner.address}` does not exist; `herocloud plan` shows what became of it"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(f"`{network}` is damaged ({error}); applying the stack with another name for the network writes it anew") from error


def vsock_of(place: Place) -> int | None:
    """Choose the number under which the guest is reached by vsock, where the host has it; two data folders must not choose the same."""
    if not os.access("/dev/vhost-vsock", os.R_OK | os.W_OK):
        return None
    digest = hashlib.blake2b(f"{place.owner.lineage}/{place.sid}".encode(), digest_size=4).digest()
    return 3 + int.from_bytes(digest, "big") % (2**31 - 3)


def _user_network(network: Mapping[str, Json], card: Mapping[str, Json]) -> dict[str, Json]:
    """Turn a network in user mode into QEMU's words; ports of the host lead to the card that has the address."""
    import ipaddress

    net = ipaddress.ip_network(network["cidr"])
    options: dict[str, Json] = {"net": network["cidr"], "host": network["gateway"], "ipv6": False}
    # QEMU answers for a name server on an address of its own; the last one is what the plan gives away last.
    options["dns"] = str(net.broadcast_address - 1)
    options["restrict"] = network.get("nat") is False
    forwards = [one for one in network.get("forward") or () if one.get("address") == card["address"]]
    options["hostfwd"] = [
        {"str": f"{one.get('protocol') or 'tcp'}:{one.get('host_address') or ''}:{one['host_port']}-{card['address']}:{one['port']}"}
        for one in forwards
    ]
    return options
