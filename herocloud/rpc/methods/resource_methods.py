"""How much of the host is promised, and to whom."""

from typing import Any

from herocloud.model.worlds import Record
from herocloud.operations import host_levels
from herocloud.operations.host_levels import HostLevel
from herocloud.rpc.calls.error_codes import WRONG_STATE
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.methods.answers import Allocation, Amount, ResourcesInfo, Secret

_AMOUNT = {"capacity": 16, "effective_limit": 64, "allocated": 1, "available": 63, "oversub_ratio": 4.0}


@declare(
    "resources",
    example=Example({}, {"cpu": _AMOUNT, "memory": _AMOUNT, "disk": _AMOUNT, "slices": _AMOUNT, "allocations": []}),
    errors=(WRONG_STATE,),
)
def resources(desk: Desk, secret: Secret = "") -> ResourcesInfo:
    """Return capacity, effective limit, allocated and available amounts of the host, and what each VM holds.

    Amounts are those that a plan counts with: of the disk, snapshots, volumes, stored images and deleted data that is kept count as well.
    """
    digest, (recorded, hosting) = desk.digest(secret), desk.known
    levels = host_levels.find(hosting, recorded, desk.sight.unrecorded().orphans)
    vms = [record for records in recorded.records.values() for record in records.values() if record.kind == "vm"]
    return ResourcesInfo(
        cpu=_amount(levels["vcpus"]),
        memory=_amount(levels["memory"]),
        disk=_amount(levels["disk"]),
        slices=_amount(levels["slices"]),
        allocations=[_allocation(record) for record in vms if desk.sees(record, digest)],
    )


def _allocation(record: Record) -> Allocation:
    spec = record.spec
    return Allocation(
        sid=record.sid or "",
        address=record.address,
        stack=record.stack,
        vcpus=spec.get("vcpus") or 0,
        memory_bytes=spec.get("memory") or 0,
        disk_bytes=(spec.get("root_disk") or {}).get("size") or 0,
        slices=list(spec.get("slices") or ()),
    )


def _amount(level: HostLevel) -> Amount:
    return Amount(
        capacity=round(level.limit / level.ratio),
        effective_limit=level.limit,
        allocated=level.promised,
        available=level.free,
        oversub_ratio=level.ratio,
    )


METHODS: tuple[Method[Any], ...] = (resources,)
