"""The overlay of this host: keys made, and what its daemons say with the traffic of each VM."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Json
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
    """What a VM sent and received over the overlay, in bytes; nothing where no daemon of this host counts it."""

    stack: str
    vm: str
    address: str
    sent: int | None
    received: int | None


class OverlayState(NamedTuple):
    """The overlay of this host."""

    report: Report
    """The daemon of the host."""
    networks: Mapping[str, Report]
    """The daemon of each network that has one of its own, by the name of its stack."""
    vms: tuple[VmTraffic, ...]


def create_keys(folder: Path, names: Sequence[str]) -> list[MadeKey]:
    """Make keys; nothing is made when one of the names is wrong or taken."""
    wanted = list(dict.fromkeys(names))
    there = [keys.taken(path) for name in wanted if (path := keys.path_of(folder, name)).exists()]
    if there:
        raise Refused(there)
    return [_made(folder, name, keys.create(folder, name)) for name in wanted]


def read_status(folder: Path) -> OverlayState:
    """Ask the daemons, and show their traffic by VM."""
    report, networks = status.read(folder), status.read_networks(folder)
    vms = []
    for stack, records in sorted(lookups.read_recorded(folder).records.items()):
        for record in records.values():
            overlay = record.spec.get("mycelium") if record.kind == "vm" else None
            if overlay and overlay.get("address"):
                vms.append(_traffic(stack, record.address, overlay, networks.get(stack, report)))
    return OverlayState(report, networks, tuple(vms))


def _traffic(stack: str, vm: str, overlay: Json, report: Report) -> VmTraffic:
    if not report.running or overlay.get("key"):
        # A daemon inside of the guest does its own counting.
        return VmTraffic(stack, vm, overlay["address"], None, None)
    sent, received = report.traffic_of(overlay["address"])
    return VmTraffic(stack, vm, overlay["address"], sent.bytes, received.bytes)


def _made(folder: Path, name: str, public: PublicKey) -> MadeKey:
    return MadeKey(name, public, arithmetic.node_address(public), arithmetic.node_subnet(public), keys.path_of(folder, name))
