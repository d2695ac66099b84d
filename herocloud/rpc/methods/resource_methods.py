"""How much of the host is promised, and to whom."""

from typing import Any

from herocloud.model.worlds import Record
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.methods.answers import Allocation, Amount, ResourcesInfo, Secret

_AMOUNT = {"capacity": 16, "effective_limit": 64, "allocated": 1, "available": 63, "oversub_ratio": 4.0}


@declare("resources", example=Example({}, {"cpu": _AMOUNT, "memory": _AMOUNT, "disk": _AMOUNT, "slices": _AMOUNT, "allocations": []}))
def resources(desk: Desk, secret: Secret = "") -> ResourcesInfo:
    """Return capacity, effective limit, allocated and available amounts of the host, and what each VM holds."""
    host, digest = desk.host, desk.digest(secret)
    vms = [record for records in desk.recorded.records.values() for record in records.values() if record.kind == "vm"]
    volumes = sum(
        record.spec.get("size") or 0 for records in desk.recorded.records.values() for record in records.values() if record.kind == "volume"
    )
    held = [_allocation(record) for record in vms]
    ratios = host.ratios
    return ResourcesInfo(
        cpu=_amount(host.cpus, ratios.cpu, sum(allocation.vcpus for allocation in held)),
        memory=_amount(host.memory - host.reserve_memory, ratios.memory, sum(allocation.memory_bytes for allocation in held)),
        disk=_amount(host.disk - host.reserve_disk, ratios.disk, volumes + sum(allocation.disk_bytes for allocation in held)),
        slices=_amount(len(host.slices), 1.0, sum(len(allocation.slices) for allocation in held)),
        allocations=[allocation for allocation, record in zip(held, vms, strict=True) if desk.sees(record, digest)],
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


def _amount(capacity: int, ratio: float, allocated: int) -> Amount:
    limit = int(capacity * ratio)
    return Amount(capacity=capacity, effective_limit=limit, allocated=allocated, available=max(0, limit - allocated), oversub_ratio=ratio)


METHODS: tuple[Method[Any], ...] = (resources,)
