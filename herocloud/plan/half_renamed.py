"""Volumes and networks that got another name without a VM that uses them: the VM was left out of the plan, or its own step failed.

The record of such a VM, and the machine, still know the old name. What a rename leaves as it is shows what has that name now: the name of a
volume's file, which is what the volume is plugged in as, and what the record of the VM relies on, which followed the network.
"""

import ipaddress
from collections.abc import Collection, Iterator, Mapping

from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.ids import Address
from herocloud.model.worlds import Record
from herocloud.plan import resource_parts, volume_names

Records = Mapping[Address, Record]


def old_names(records: Records) -> dict[Address, Address]:
    """Return what VMs know by a name that has no record, with the name that it has now."""
    owners = volume_names.owners(records)
    has_networks = any(address.startswith("network.") for address in records)
    found: dict[Address, Address] = {}
    for record in records.values():
        # Of thousands of VMs, few have anything that could be called otherwise.
        if record.kind == "vm" and (record.spec["volumes"] or has_networks):
            found.update((old, new) for old, new in (*_volumes(record, owners), *_networks(record, records)) if old not in records)
    return found


def going_back(records: Records, wanted: Collection[Address]) -> list[tuple[Address, Address]]:
    """Return the names that are wanted again and were given up without a VM, each with the name that the thing has now."""
    return [(old, new) for old, new in old_names(records).items() if old in wanted and new not in wanted]


def _volumes(record: Record, owners: Mapping[str, str]) -> Iterator[tuple[Address, Address]]:
    for use in record.spec["volumes"]:
        owner = owners.get(volume_names.plugged_as(use), use["volume"])
        if owner != use["volume"]:
            yield ids.make_address("volume", use["volume"]), ids.make_address("volume", owner)


def _networks(record: Record, records: Records) -> Iterator[tuple[Address, Address]]:
    named = {ids.make_address("network", nic["network"]) for nic in record.spec["networks"]}
    unnamed = [records[need] for need in record.needs if need.startswith("network.") and need in records and need not in named]
    for nic in record.spec["networks"] if unnamed else ():
        old = ids.make_address("network", nic["network"])
        candidates = [network.address for network in unnamed if _may_be(nic, network)]
        if old not in records and len(candidates) == 1:
            yield old, candidates[0]


def _may_be(nic: Json, network: Record) -> bool:
    """Return whether a card that knows its network by an old name may hang on this one: by its bridge, or by the range of its address."""
    part = network.parts.get("network")
    if part and part["bridge"] == resource_parts.bridge_of(network.stack, nic.get("wired", nic["network"])):
        return True
    return bool(nic["address"]) and ipaddress.ip_address(nic["address"]) in ipaddress.ip_network(network.spec["cidr"])
