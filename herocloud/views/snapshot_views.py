"""Snapshots: the list and one in full."""

from collections.abc import Iterable

from herocloud.kits.jsons import Json
from herocloud.model.known_snapshots import Snapshot
from herocloud.views import tables, values
from herocloud.views.tables import Column, Listing


def listing(found: Iterable[Snapshot]) -> Listing:
    """`vm snapshot list`: every snapshot, those of one VM oldest first."""
    rows = tuple(_row(one) for one in found)
    columns = (
        Column("stack", "STACK"), Column("vm", "VM"), Column("name", "SNAPSHOT"), Column("created", "TAKEN", values.show_moment),
        Column("size", "SIZE", values.show_bytes, right=True), Column("disks", "DISKS"), Column("memory", "MEMORY", _memory, right=True),
        Column("there", "THERE", spare=True),
    )  # fmt: skip
    return Listing("snapshots", columns, rows, "There are no snapshots.")


def _memory(value: Json) -> str:
    return "-" if value is None else values.show_bytes(value)


def _row(one: Snapshot) -> dict[str, Json]:
    memory = one.part["memory"]
    return {
        "stack": one.record.stack,
        "vm": one.record.address,
        "name": one.name,
        "created": one.part["created"],
        "size": one.part["size"],
        "disks": [disk["disk"] for disk in one.part["disks"]],
        "memory": None if memory is None else memory["size"],
        "scheduled": one.part["scheduled"],
        "there": one.there,
    }


def document(one: Snapshot) -> dict[str, Json]:
    """Return one snapshot as JSON: the row of the list, and what it holds."""
    memory = one.part["memory"]
    return {
        **_row(one),
        "power": one.part["power"],
        "contents": [
            {"disk": disk["disk"], "size": disk["size"], "image": disk["image"], "source": disk["source"]} for disk in one.part["disks"]
        ],
        "hypervisor": None if memory is None else memory["hypervisor"],
        "version": None if memory is None else memory["version"],
        "format_version": tables.FORMAT_VERSION,
    }


def text(one: Snapshot, *, color: bool = False) -> str:
    """`vm snapshot show`."""
    memory = one.part["memory"]
    rows = [
        ("snapshot", one.name),
        ("vm", one.record.address),
        ("stack", one.record.stack),
        ("taken", values.show_moment(one.part["created"]) + (", by its schedule" if one.part["scheduled"] else "")),
        ("the vm was", one.part["power"]),
        ("size", values.show_bytes(one.part["size"])),
        *((disk["disk"], values.show_bytes(disk["size"]) + _made_from(disk["image"])) for disk in one.part["disks"]),
        ("memory", "-" if memory is None else f"{values.show_bytes(memory['size'])}, by {memory['hypervisor']} {memory['version']}"),
    ]
    if not one.there:
        rows.append(("there", "no; it went away outside herocloud"))
    return tables.pairs(rows, color=color)


def _made_from(image: str | None) -> str:
    return "" if image is None else f", made from {image}"
