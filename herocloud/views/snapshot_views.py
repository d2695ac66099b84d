"""Snapshots: the list and one in full."""

from collections.abc import Iterable

from herocloud.kits.jsons import Json
from herocloud.model.known_snapshots import Snapshot
from herocloud.views import tables, values
from herocloud.views.tables import Column, Listing


def listing(snapshots: Iterable[Snapshot]) -> Listing:
    """`vm snapshot list`: every snapshot, those of one VM oldest first."""
    rows = tuple(_row(snapshot) for snapshot in snapshots)
    columns = (
        Column("stack", "STACK"), Column("vm", "VM"), Column("name", "SNAPSHOT"), Column("created", "TAKEN", values.show_moment),
        Column("size", "SIZE", values.show_bytes, right=True), Column("disks", "DISKS"), Column("memory", "MEMORY", _memory, right=True),
        Column("there", "THERE", spare=True),
    )  # fmt: skip
    return Listing("snapshots", columns, rows, "There are no snapshots.")


def _memory(value: Json) -> str:
    return "-" if value is None else values.show_bytes(value)


def _row(snapshot: Snapshot) -> dict[str, Json]:
    memory = snapshot.part["memory"]
    return {
        "stack": snapshot.record.stack,
        "vm": snapshot.record.address,
        "name": snapshot.name,
        "created": snapshot.taken,
        "size": snapshot.part["size"],
        "disks": [disk["disk"] for disk in snapshot.part["disks"]],
        "memory": None if memory is None else memory["size"],
        "scheduled": snapshot.part["scheduled"],
        "there": snapshot.there,
    }


def document(snapshot: Snapshot) -> dict[str, Json]:
    """Return one snapshot as JSON: the row of the list, and what it holds."""
    memory = snapshot.part["memory"]
    return {
        **_row(snapshot),
        "power": snapshot.part["power"],
        "contents": [
            {"disk": disk["disk"], "size": disk["size"], "image": disk["image"], "source": disk["source"]}
            for disk in snapshot.part["disks"]
        ],
        "hypervisor": None if memory is None else memory["hypervisor"],
        "version": None if memory is None else memory["version"],
        "format_version": tables.FORMAT_VERSION,
    }


def text(snapshot: Snapshot, *, color: bool = False) -> str:
    """`vm snapshot show`."""
    memory = snapshot.part["memory"]
    rows = [
        ("snapshot", snapshot.name),
        ("vm", snapshot.record.address),
        ("stack", snapshot.record.stack),
        ("taken", values.show_moment(snapshot.taken) + (", by its schedule" if snapshot.part["scheduled"] else "")),
        ("the vm was", snapshot.part["power"]),
        ("size", values.show_bytes(snapshot.part["size"])),
        *((disk["disk"], values.show_bytes(disk["size"]) + _made_from(disk["image"])) for disk in snapshot.part["disks"]),
        ("memory", "-" if memory is None else f"{values.show_bytes(memory['size'])}, by {memory['hypervisor']} {memory['version']}"),
    ]
    if not snapshot.there:
        rows.append(("there", "no; it went away outside herocloud"))
    return tables.pairs(rows, color=color)


def _made_from(image: str | None) -> str:
    return "" if image is None else f", made from {image}"
