"""The machine and its slices."""

from typing import Any

import herocloud
from herocloud.model import ids
from herocloud.operations import host_status
from herocloud.rpc.calls.error_codes import LOCKED, NOT_FOUND, WRONG_STATE
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.work import how_for_edit
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import NodeInfo, Secret, SliceInfo, SliceSid

_NODE = {
    "name": "example",
    "version": herocloud.__version__,
    "simulated": True,
    "registered": True,
    "memory_bytes": 34359738368,
    "disk_bytes": 2199023255552,
    "cpus": 16,
    "slices_total": 7,
    "slices_free": 7,
    "slices_in_use": 0,
    "disk_per_slice_bytes": 314146179364,
    "vms_total": 0,
    "vms_running": 0,
}
_SLICE = {
    "sid": "s1",
    "state": "Free",
    "memory_bytes": 4294967296,
    "disk_bytes": 314146179364,
    "vm_sid": None,
    "vm": None,
    "stack": None,
}


@declare("node", example=Example({}, _NODE), errors=(WRONG_STATE, LOCKED))
def node_register(desk: Desk) -> NodeInfo:
    """Detect the hardware again, and create the slices that its memory allows.

    Slices that VMs hold keep their ids. Memory that grew adds slices; memory that shrank below what is in use is refused, with the
    names of the VMs. Calling it again changes nothing.
    """
    host_status.refresh(desk.folder, how_for_edit(desk, "node_register"))
    desk.sight.forget(machine=True)
    return _node(desk)


@declare("node", example=Example({}, _NODE), errors=(WRONG_STATE,))
def node_status(desk: Desk) -> NodeInfo:
    """Return the machine, its slices, and how many VMs it has."""
    return _node(desk)


def _node(desk: Desk) -> NodeInfo:
    host, recorded = desk.host, desk.recorded
    holders = infos.holders(desk)
    vms = [record for records in recorded.records.values() for record in records.values() if record.kind == "vm"]
    return NodeInfo(
        name=host.name,
        version=herocloud.__version__,
        simulated=host.simulated,
        registered=recorded.slices > 0,
        memory_bytes=host.memory,
        disk_bytes=host.disk,
        cpus=host.cpus,
        slices_total=len(host.slices),
        slices_free=sum(1 for host_slice in host.slices if host_slice.sid not in holders),
        slices_in_use=len(holders),
        disk_per_slice_bytes=host.slices[0].disk if host.slices else 0,
        vms_total=len(vms),
        vms_running=sum(1 for record in vms if record.parts.get("power") == "running"),
    )


def _slices(desk: Desk, secret: str) -> list[SliceInfo]:
    machine = host_status.Machine(desk.sight.hosting(), desk.owners())
    holders, digest = infos.holders(desk), desk.digest(secret)
    ordered = sorted(machine.slices, key=lambda one: ids.sid_number(one.sid))
    return [infos.slice_info(desk, piece, holders, digest) for piece in ordered]


@declare("slices", example=Example({}, [{**_SLICE, "sid": f"s{number}"} for number in range(1, 8)]), errors=(WRONG_STATE,))
def list_slices(desk: Desk, secret: Secret = "") -> list[SliceInfo]:
    """Return every slice, free or in use.

    A slice whose VM has another secret shows `InUse` and no name.
    """
    return _slices(desk, secret)


@declare("slices", example=Example({"slice_sid": "s1"}, _SLICE), errors=(NOT_FOUND, WRONG_STATE))
def get_slice(desk: Desk, slice_sid: SliceSid, secret: Secret = "") -> SliceInfo:
    """Return one slice."""
    machine = host_status.Machine(desk.sight.hosting(), desk.owners())
    host_slice = host_status.find_slice(machine, slice_sid)
    return infos.slice_info(desk, host_slice, infos.holders(desk), desk.digest(secret))


METHODS: tuple[Method[Any], ...] = (node_register, node_status, list_slices, get_slice)
