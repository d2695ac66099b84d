"""From a mark to a machine: looks up what the pure `machine_config` is handed, from files of the VM and of the host."""

import hashlib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.errors import Permanent
from herocloud.providers.cloud_hypervisor import installation, slots
from herocloud.providers.cloud_hypervisor.machine_config import Disk, Machine, Nic
from herocloud.providers.ownership import Owner
from herocloud.providers.vmm import files, folders
from herocloud.providers.vmm.marks import Mark

API, SERIAL, EVENTS, LOG = "api.sock", "tty.sock", "events", "vmm.log"
AGENT_PORT = 1024
"""The vsock port on which the agent in a guest listens."""
_MULTI_QUEUE = 0x0100


class Place(NamedTuple):
    """One VM in a data folder."""

    data: Path
    sid: str
    owner: Owner


def api_socket(data: Path, sid: str) -> Path:
    """Return the socket of the API."""
    return folders.control_socket(data, sid, API)


def serial_socket(data: Path, sid: str) -> Path:
    """Return the socket of the serial port, which the attendant alone uses."""
    return folders.control_socket(data, sid, SERIAL)


def event_file(data: Path, sid: str) -> Path:
    """Return the file in which the program writes down what happens."""
    return folders.machine_folder(data, sid) / EVENTS


def machine_of(place: Place, mark: Mark, release: int) -> Machine:
    """Put together all that the configuration of a VM depends on."""
    data, sid, part = place.data, place.sid, mark.machine
    payload = part["payload"]
    for field, what in (("kernel", "the kernel"), ("initramfs", "the initramfs")):
        if payload is not None and payload[field]:
            files.require(Path(payload[field]), what)
    if payload is None and part["root"] is None:
        raise Permanent(f"`{place.owner.address}` has neither a disk nor a kernel to boot from")
    firmware = installation.find_firmware() if payload is None else None
    if payload is None and firmware is None:
        raise Permanent(f"`{place.owner.address}` boots from its disk, and {installation.NO_FIRMWARE}")
    return Machine(
        part=part,
        release=release,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place.owner.lineage}/{sid}")),
        serial_socket=serial_socket(data, sid),
        vsock_socket=folders.agent_socket(data, sid),
        cid=cid_of(place),
        root=root_of(data, sid, part),
        seed=Disk("seed", files.require(files.seed(data, sid), "the seed"), readonly=True, serial="seed") if part["seed"] else None,
        volumes=[volume_of(place, use) for use in part["volumes"]],
        nics=[nic_of(place, mark.nics, key) for key in part["nics"]],
        payload=payload,
        firmware=firmware,
    )


def root_of(data: Path, sid: str, part: Part) -> Disk | None:
    """Describe the root disk."""
    if part["root"] is None:
        return None
    path = files.require(files.root_disk(data, sid), "the root disk")
    return Disk("root", path, direct=bool(part["root"]["direct"]), serial="root", rate=part["root"]["rate"])


def volume_of(place: Place, use: Json) -> Disk:
    """Describe a volume in a VM."""
    path = files.volume(place.data, place.owner.stack, use["volume"])
    return Disk(slots.volume_id(use["volume"]), path, readonly=bool(use["readonly"]), serial=use["volume"])


def nics_of(spec: Spec, known: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is to be remembered of every NIC: those of a target, and those that were there before."""
    cards = [*spec.get("networks", ()), *([{"network": "mycelium", **spec["mycelium"]}] if spec.get("mycelium") else [])]
    return {**known, **{f"nic.{card['slot']}": {field: card[field] for field in ("mac", "tap", "network", "address")} for card in cards}}


def nic_of(place: Place, known: Mapping[str, Json], key: str) -> Nic:
    """Describe a NIC and its tap, which has to be there: one that the program makes itself belongs to no network."""
    card = known.get(key)
    if card is None:
        raise Permanent(f"nothing is known of the card `{key}` of `{place.owner.address}`")
    flags = Path("/sys/class/net") / card["tap"] / "tun_flags"
    try:
        several = bool(int(flags.read_text(), 16) & _MULTI_QUEUE)
    except OSError:
        raise Permanent(
            f"the tap `{card['tap']}` of `{place.owner.address}` does not exist; `herocloud plan` shows what became of it"
        ) from None
    return Nic(key, card["mac"], card["tap"], 2 if several else 1)


def cid_of(place: Place) -> int:
    """Choose the number of a guest on its vsock; each program has a socket of its own, so it need not be the only one."""
    digest = hashlib.blake2b(f"{place.owner.lineage}/{place.sid}".encode(), digest_size=4).digest()
    return 3 + int.from_bytes(digest, "big") % (2**31 - 3)
