"""The lists that commands show: records, VMs, slices, history, orphans, tombstones, checks.

Each function takes what its command has at hand and returns a `tables.Listing`; `tables.render` and `tables.document` do the rest.
"""

from collections.abc import Iterable, Mapping, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model import powers
from herocloud.model.hosts import Slice
from herocloud.model.ids import Address, Sid, sid_number, sort_key
from herocloud.model.words import GLYPHS, Action
from herocloud.model.worlds import Record, Thing
from herocloud.providers.seam import Tombstone
from herocloud.state.history import Version
from herocloud.views import values
from herocloud.views.tables import Column, Listing, as_row

_SIZE = values.show_bytes


def _size(value: Json) -> str:
    return "-" if value is None else _SIZE(value)


def _when(value: Json) -> str:
    return "-" if value is None else values.show_moment(value)


def records(found: Iterable[Record]) -> Listing:
    """`state list`: every record of one stack or of all."""
    ordered = sorted(found, key=lambda record: (record.stack, sort_key(record.address)))
    rows = [
        {
            "stack": record.stack,
            "address": record.address,
            "type": record.kind,
            "provider": record.provider,
            "sid": record.sid,
            "protect": record.protect,
            "complete": record.complete,
        }
        for record in ordered
    ]
    columns = (
        Column("stack", "STACK"), Column("address", "ADDRESS"), Column("provider", "PROVIDER"), Column("sid", "SID"),
        Column("protect", "PROTECTED"), Column("complete", "COMPLETE"),
    )  # fmt: skip
    return Listing("records", columns, tuple(rows), "Nothing is recorded.")


def vms(found: Iterable[Record], seen: Mapping[tuple[str, Address], Thing] | None = None) -> Listing:
    """`vm list`: every recorded VM, with the state that was seen; `seen` is keyed by (stack, address), nothing when nobody looked."""
    rows = [
        vm_row(record, seen) for record in sorted(found, key=lambda record: (record.stack, sort_key(record.address))) if record.kind == "vm"
    ]
    columns = (
        Column("stack", "STACK"), Column("address", "VM"), Column("sid", "SID", spare=True), Column("state", "STATE"),
        Column("slices", "SLICES", show_sids),
        Column("vcpus", "VCPUS", right=True), Column("memory", "MEMORY", _size, right=True), Column("image", "IMAGE"),
        Column("addresses", "ADDRESSES"), Column("provider", "PROVIDER", spare=True),
    )  # fmt: skip
    return Listing("vms", columns, tuple(rows), "There are no VMs.")


def vm_row(record: Record, seen: Mapping[tuple[str, Address], Thing] | None = None) -> dict[str, Json]:
    """Return what is worth knowing of one VM."""
    spec = record.spec
    return {
        "stack": record.stack,
        "address": record.address,
        "sid": record.sid,
        "state": power_state(record, seen),
        "slices": list(spec.get("slices") or ()),
        "vcpus": spec.get("vcpus"),
        "memory": spec.get("memory"),
        "image": spec.get("image"),
        "addresses": addresses(spec),
        "provider": record.provider,
        "protect": record.protect,
    }


def show_sids(value: Json) -> str:
    """Write slice ids, neighbors as a range: `s1-s25`."""
    return values.show_sids(value or ()) or "-"


def power_state(record: Record, seen: Mapping[tuple[str, Address], Thing] | None) -> str:
    """Return the state that was seen, `gone` when it was looked for and not there, or the recorded one when nobody looked."""
    if seen is None:
        return str(record.parts.get("power", "unknown"))
    thing = seen.get((record.stack, record.address))
    if thing is None:
        return "gone"
    return powers.state_of(thing.parts)


def addresses(spec: Mapping[str, Json]) -> list[str]:
    """Return the addresses of a VM, its networks' first."""
    shown = [nic["address"] for nic in spec.get("networks") or () if nic.get("address")]
    overlay = spec.get("mycelium")
    return shown + ([overlay["address"]] if overlay and overlay.get("address") else [])


def slices(found: Sequence[Slice], owners: Mapping[Sid, tuple[str, Address]]) -> Listing:
    """`slice list`: every slice and who holds it; `owners` is keyed by sid and holds (stack, address)."""
    rows = [slice_row(piece, owners) for piece in sorted(found, key=lambda piece: sid_number(piece.sid))]
    used = sum(1 for row in rows if row["state"] == "InUse")
    columns = (
        Column("sid", "SID"), Column("state", "STATE", show_slice_state), Column("memory", "MEMORY", _size, right=True),
        Column("disk", "DISK", _size, right=True), Column("stack", "STACK"), Column("vm", "VM"),
    )  # fmt: skip
    return Listing(
        "slices", columns, tuple(rows), "This host has no slices.", f"{len(rows)} slices, {used} in use, {len(rows) - used} free."
    )


def show_slice_state(value: Json) -> str:
    """Write the state of a slice as people do; JSON keeps the name that programs know."""
    return {"InUse": "in use", "Free": "free"}.get(str(value), str(value))


def slice_row(host_slice: Slice, owners: Mapping[Sid, tuple[str, Address]]) -> dict[str, Json]:
    """Return one slice with its holder."""
    stack, address = owners.get(host_slice.sid, (None, None))
    return {
        "sid": host_slice.sid,
        "state": "InUse" if address else "Free",
        "memory": host_slice.memory,
        "disk": host_slice.disk,
        "stack": stack,
        "vm": address,
    }


def history(entries: Iterable[Version]) -> Listing:
    """`state log`: who did what, in the order given."""
    columns = (
        Column("serial", "SERIAL", right=True), Column("at", "WHEN", _when, whole=True), Column("user", "USER"),
        Column("command", "COMMAND"), Column("stack", "STACK", spare=True), Column("apply", "APPLY", spare=True), Column("did", "DID"),
        Column("outcome", "OUTCOME"), Column("seconds", "TOOK", _took, right=True, spare=True),
    )  # fmt: skip
    rows = [
        {**as_row(entry), "command": entry.command or entry.operation, "did": _did(entry), "outcome": _outcome(entry)} for entry in entries
    ]
    return Listing("history", columns, tuple(rows), "Nothing was ever changed.")


def _did(entry: Version) -> str:
    """Write what changed with the signs of a plan."""
    counts = {
        Action.CREATE: entry.added - entry.replaced,
        Action.UPDATE: entry.changed,
        Action.REPLACE: entry.replaced,
        Action.DELETE: entry.destroyed - entry.replaced,
    }
    return " ".join(f"{GLYPHS[action]}{number}" for action, number in counts.items() if number) or "nothing"


def _outcome(entry: Version) -> str:
    if entry.taken_back and entry.outcome != "rolled back":
        return f"{entry.outcome}, {entry.taken_back} taken back"
    return f"{entry.outcome} ({entry.taken_back} taken back)" if entry.taken_back else entry.outcome


def _took(value: Json) -> str:
    return "-" if value is None else sizes.show_duration(round(value, 1) if value < 10 else round(value))


def orphans(things: Iterable[Thing]) -> Listing:
    """`state orphans`: what carries our mark and no record owns."""
    rows = [
        {
            "stack": thing.stack,
            "address": thing.address,
            "provider": thing.provider,
            "parts": sorted(thing.parts),
            "half_made": sorted(thing.halves),
            "lineage": thing.lineage,
        }
        for thing in sorted(things, key=lambda thing: (thing.stack, sort_key(thing.address)))
    ]
    columns = [Column("stack", "STACK"), Column("address", "ADDRESS"), Column("provider", "PROVIDER"), Column("parts", "PARTS")]
    if any(row["half_made"] for row in rows):
        columns.append(Column("half_made", "HALF MADE"))
    return Listing("orphans", tuple(columns), tuple(rows), "There are no orphans.")


def tombstones(found: Iterable[Tombstone], *, now: float, keep: float) -> Listing:
    """`state gc`: deleted data that is still kept; `keep` are the seconds it stays."""
    rows = [
        {**as_row(stone), "until": stone.deleted + keep, "expired": stone.deleted + keep <= now}
        for stone in sorted(found, key=lambda stone: (stone.deleted, stone.key))
    ]
    total = sum(row["bytes"] for row in rows)
    columns = (
        Column("stack", "STACK"), Column("address", "ADDRESS"), Column("bytes", "SIZE", _size, right=True),
        Column("deleted", "DELETED", _when), Column("until", "KEPT UNTIL", _when), Column("expired", "EXPIRED"), Column("key", "KEY"),
    )  # fmt: skip
    return Listing("tombstones", columns, tuple(rows), "No deleted data is kept.", f"{values.show_bytes(total)} in {len(rows)} tombstones.")


def images(found: Iterable[Mapping[str, Json]]) -> Listing:
    """`image list`: mappings with name, source, format, sha256, present, size (bytes or nothing)."""
    columns = (
        Column("name", "IMAGE"), Column("present", "HERE"), Column("size", "SIZE", _size, right=True), Column("format", "FORMAT"),
        Column("source", "SOURCE"),
    )  # fmt: skip
    return Listing("images", columns, tuple(found), "The stack has no images.")


def stored_images(found: Iterable[Mapping[str, Json]]) -> Listing:
    """`image list --stored`: mappings with source, size, bytes (what it takes), fetched, users."""
    columns = (
        Column("source", "SOURCE"), Column("size", "SIZE", _size, right=True), Column("bytes", "TAKES", _size, right=True),
        Column("fetched", "FETCHED", _when), Column("users", "USED BY"),
    )  # fmt: skip
    rows = tuple(found)
    total = values.show_bytes(sum(row["bytes"] for row in rows))
    return Listing("contents", columns, rows, "Nothing is stored.", f"{len(rows)} image{'s' if len(rows) > 1 else ''}, {total}.")


def pulled_images(found: Iterable[Mapping[str, Json]]) -> Listing:
    """`image pull`: mappings with name, source, format, size, sha256, new."""
    columns = (
        Column("name", "IMAGE"), Column("new", "FETCHED"), Column("size", "SIZE", _size, right=True), Column("format", "FORMAT"),
        Column("sha256", "SHA256"),
    )  # fmt: skip
    return Listing("images", columns, tuple(found), "The stack has no images.")


def verified_images(found: Iterable[Mapping[str, Json]]) -> Listing:
    """`image verify`: mappings with source, sha256, ok, wrong (why), removed."""
    rows = tuple(found)
    wrong = sum(1 for row in rows if not row["ok"])
    columns = (Column("ok", "", lambda ok: "ok" if ok else "damaged"), Column("source", "SOURCE"), Column("wrong", "FOUND"))
    gone = any(row["removed"] for row in rows)
    below = f"{wrong} of {len(rows)} damaged{' and removed' if gone else ''}." if wrong else "Every image is what was stored."
    return Listing("contents", columns, rows, "Nothing is stored.", below)


def checks(found: Iterable[Mapping[str, Json]]) -> Listing:
    """`doctor`: mappings with provider, check, ok (a truth or nothing for not needed), detail, hint."""
    columns = (
        Column("ok", "", _mark),
        Column("provider", "PROVIDER"),
        Column("check", "CHECK"),
        Column("detail", "FOUND"),
        Column("hint", "WAY OUT"),
    )
    rows = tuple(found)
    wrong = sum(1 for row in rows if row.get("ok") is False)
    return Listing(
        "checks",
        columns,
        rows,
        "Nothing was checked.",
        "Everything that is needed is there." if not wrong else f"{wrong} of {len(rows)} checks failed.",
    )


def _mark(value: Json) -> str:
    return "-" if value is None else "ok" if value else "missing"
