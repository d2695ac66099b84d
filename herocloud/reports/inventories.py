"""What a host holds, for the state report: its slices as a map, how much of it is promised, its VMs and everything else."""

from collections.abc import Iterator, Mapping, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, sid_number
from herocloud.model.plans import Capacity, Level
from herocloud.model.worlds import Record, Thing
from herocloud.reports import contexts
from herocloud.views import listings, values

MOST_VMS = 500
MOST_CELLS = 1024


def context(host: Host, records: Sequence[Record], seen: Mapping[tuple[str, Address], Thing] | None) -> dict[str, Json]:
    """Return everything that the page shows of the host and its records."""
    machines = [record for record in records if record.kind == "vm"]
    others = [record for record in records if record.kind != "vm"]
    holders: dict[Sid, Record] = {sid: record for record in machines for sid in record.spec.get("slices") or ()}
    states = [listings.power_state(record, seen) for record in machines]
    return {
        "host": host.name,
        "simulated": host.simulated,
        "looked": seen is not None,
        "facts": list(_facts(host)),
        "tiles": list(_tiles(host, machines, others, holders, states)),
        "cells": [
            _cell(sid, holders.get(sid)) for sid in sorted((host_slice.sid for host_slice in host.slices), key=sid_number)[:MOST_CELLS]
        ],
        "cells_hidden": max(0, len(host.slices) - MOST_CELLS),
        "gauges": contexts.gauges(promised(host, records)),
        "vms": [_vm(record, seen) for record in machines[:MOST_VMS]],
        "vms_hidden": ids.fold_addresses(record.address for record in machines[MOST_VMS:]),
        "others": [_other(record) for record in others[:MOST_VMS]],
        "others_hidden": ids.fold_addresses(record.address for record in others[MOST_VMS:]),
    }


def promised(host: Host, records: Sequence[Record]) -> Capacity:
    """Add up what the records hold of the host."""
    slices = memory = vcpus = disk = huge = 0
    for record in records:
        spec = record.spec
        if record.kind == "vm":
            slices += len(spec.get("slices") or ())
            memory += spec.get("memory") or 0
            huge += (spec.get("memory") or 0) if (spec.get("memory_options") or {}).get("hugepages") else 0
            vcpus += spec.get("vcpus") or 0
            disk += (spec.get("root_disk") or {}).get("size") or 0
        elif record.kind == "volume":
            disk += spec.get("size") or 0
    limit_disk = host.limit_disk if host.limit_disk is not None else int((host.disk - host.reserve_disk) * host.ratios.disk)
    nothing = Level(0, 0, 0, None)
    return Capacity(
        slices=_level(slices, len(host.slices)),
        memory=_level(memory, int((host.memory - host.reserve_memory) * host.ratios.memory)),
        vcpus=_level(vcpus, int(host.cpus * host.ratios.cpu)),
        disk=_level(disk, limit_disk),
        network=nothing,
        disk_io=nothing,
        hugepages=_level(huge, host.hugepages),
    )


def _level(amount: int, limit: int | None) -> Level:
    return Level(amount, amount, amount, limit)


def _facts(host: Host) -> Iterator[dict[str, Json]]:
    sources = dict(host.sources)
    uplink = "none"
    if host.uplink:
        speed = "speed unknown" if host.uplink.speed is None else sizes.show_rate(host.uplink.speed, bits=True)
        uplink = f"{host.uplink.name}, {speed}"
    rows = (
        ("memory", sizes.show_size(host.memory)),
        ("disk", sizes.show_size(host.disk)),
        ("cpus", str(host.cpus)),
        ("uplink", uplink),
        ("numa nodes", str(len(host.numa) or 1)),
    )
    for name, text in rows:
        yield {"name": name, "text": text, "source": sources.get(name, "")}


def _tiles(
    host: Host, machines: Sequence[Record], others: Sequence[Record], holders: Mapping[Sid, Record], states: Sequence[str]
) -> Iterator[dict[str, Json]]:
    yield {"number": len(machines), "words": "VM" if len(machines) == 1 else "VMs", "style": "plain"}
    yield {"number": states.count("running"), "words": "running", "style": "good"}
    rest = len(machines) - states.count("running")
    yield {"number": rest, "words": "not running", "style": "warn" if rest else "plain"}
    yield {"number": len(others), "words": "other resources", "style": "plain"}
    yield {"number": len(host.slices) - len(holders), "words": f"of {len(host.slices)} slices free", "style": "plain"}


def _cell(sid: Sid, record: Record | None) -> dict[str, Json]:
    return {"sid": sid, "used": record is not None, "title": f"{sid}: {record.stack} · {record.address}" if record else f"{sid}: free"}


def _vm(record: Record, seen: Mapping[tuple[str, Address], Thing] | None) -> dict[str, Json]:
    row = listings.vm_row(record, seen)
    state = row["state"]
    return {
        **row,
        "memory": values.show("memory", row["memory"]),
        "slices": ", ".join(row["slices"]),
        "mood": "good" if state == "running" else "bad" if state == "gone" else "quiet",
    }


def _other(record: Record) -> dict[str, Json]:
    spec = record.spec
    what = {
        "volume": lambda: values.show("size", spec.get("size")),
        "network": lambda: str(spec.get("cidr", "")),
        "image": lambda: values.show("source", spec.get("source") or spec.get("kernel")),
        "mycelium": lambda: str(spec.get("subnet") or ""),
    }.get(record.kind, str)()
    return {"stack": record.stack, "address": record.address, "what": what, "protect": record.protect, "complete": record.complete}
