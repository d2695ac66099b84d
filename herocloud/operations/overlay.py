"""The overlay of this host: keys made, and what the daemon says with the traffic of each VM."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Refused
from herocloud.operations import lookups
from herocloud.providers.mycelium import arithmetic, keys, status
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.status import Report


class MadeKey(NamedTuple):
    """A key that was made, by what follows from it."""

    name: str
    public: PublicKey
    address: str
    subnet: str
    path: Path


class VmTraffic(NamedTuple):
    """What a VM sent and received over the overlay, in bytes."""

    stack: str
    vm: str
    address: str
    sent: int
    received: int


class OverlayState(NamedTuple):
    """The overlay of this host."""

    report: Report
    vms: tuple[VmTraffic, ...]


def create_keys(folder: Path, names: Sequence[str]) -> list[MadeKey]:
    """Make keys; nothing is made when one of the names is wrong or taken."""
    wanted = list(dict.fromkeys(names))
    found = [keys.taken(path) for name in wanted if (path := keys.path_of(folder, name)).exists()]
    if found:
        raise Refused(found)
    return [_made(folder, name, keys.create(folder, name)) for name in wanted]


def read_status(folder: Path) -> OverlayState:
    """Ask the daemon, and tell its traffic by VM."""
    report = status.read(folder)
    vms = []
    for stack, records in sorted(lookups.read_recorded(folder).records.items()):
        for record in records.values():
            address = (record.spec.get("mycelium") or {}).get("address") if record.kind == "vm" else None
            if address:
                sent, received = report.traffic_of(address)
                vms.append(VmTraffic(stack, record.address, address, sent.bytes, received.bytes))
    return OverlayState(report, tuple(vms))


def _made(folder: Path, name: str, public: PublicKey) -> MadeKey:
    return MadeKey(name, public, arithmetic.node_address(public), arithmetic.node_subnet(public), keys.path_of(folder, name))
