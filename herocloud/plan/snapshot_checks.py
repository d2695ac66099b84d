"""What stands against taking or restoring a snapshot, in words."""

from collections.abc import Iterator, Mapping

from herocloud.kits import nearest, sizes
from herocloud.kits.jsons import Part
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.parts import SNAPSHOT
from herocloud.model.worlds import Record
from herocloud.plan import volume_names

Parts = Mapping[str, Part]


def names_of(parts: Parts) -> list[str]:
    """Return the names of the snapshots among the parts of a VM, oldest first."""
    keys = [key for key in parts if key.startswith(SNAPSHOT)]
    return [key.removeprefix(SNAPSHOT) for key in sorted(keys, key=lambda key: (parts[key]["created"], key))]


def taking(record: Record, present: Parts, name: str, *, memory: bool) -> Iterator[Diagnostic]:
    """Find what stands against a new snapshot."""
    address = record.address
    if not ids.NAME.match(name):
        detail = f"`{name}` is not a name: small letters, digits and hyphens, beginning with a letter."
        yield Diagnostic("snapshot-name", "Not a name for a snapshot", detail, address=address)
    elif f"{SNAPSHOT}{name}" in {**present, **record.parts}:
        hint = f"choose another `--name`, or delete it with `herocloud vm snapshot delete {address} {name}`"
        yield Diagnostic(
            "snapshot-exists", "The name is taken", f"`{address}` has a snapshot `{name}` already.", address=address, hint=hint
        )
    if "machine" not in present:
        hint = "`herocloud apply` makes it again"
        yield Diagnostic("vm-gone", "The VM is gone", f"`{address}` is recorded, and nothing is there.", address=address, hint=hint)
        return
    if "disk" not in present and not memory and not any(not use["readonly"] for use in present["machine"]["volumes"]):
        detail = f"`{address}` has no disk that it writes to, so there is nothing to copy."
        yield Diagnostic("snapshot-empty", "Nothing to take a snapshot of", detail, address=address, hint="`--memory` keeps its memory")
    if memory and present.get("power") not in ("running", "paused"):
        detail = f"`{address}` is {present.get('power', 'gone')}, so it has nothing in memory."
        yield Diagnostic(
            "snapshot-memory", "No memory to keep", detail, address=address, hint="leave out `--memory`, or start the VM first"
        )
    if memory and present["machine"]["shares"]:
        detail = f"`{address}` has shared folders, and what is open there cannot be kept with its memory."
        yield Diagnostic("snapshot-memory", "No memory to keep", detail, address=address, hint="leave out `--memory`")


def existing(record: Record, present: Parts, name: str) -> Iterator[Diagnostic]:
    """Find out that there is no snapshot of this name."""
    if f"{SNAPSHOT}{name}" in present:
        return
    known = names_of(present)
    close = nearest.nearest(name, known)
    hint = (
        f"did you mean `{close}`?" if close else f"there are {', '.join(f'`{snapshot}`' for snapshot in known)}" if known else "it has none"
    )
    yield Diagnostic("no-snapshot", "No such snapshot", f"`{record.address}` has no snapshot `{name}`.", address=record.address, hint=hint)


def restoring(
    record: Record, records: Mapping[Address, Record], present: Parts, name: str, *, memory: bool, version: str | None
) -> Iterator[Diagnostic]:
    """Find what stands against restoring a snapshot that is there; `version` of the hypervisor would read its memory."""
    address, snapshot = record.address, present[f"{SNAPSHOT}{name}"]
    if "machine" not in present:
        hint = "`herocloud apply` makes it again"
        yield Diagnostic("vm-gone", "The VM is gone", f"`{address}` is recorded, and nothing is there.", address=address, hint=hint)
        return
    if record.protect:
        detail = f"`{address}` is protected, and restoring replaces its data."
        hint = f"`herocloud state protect --off {address}` lifts it first"
        yield Diagnostic("protected", "Protected", detail, address=address, hint=hint)
    for disk in snapshot["disks"]:
        yield from _restoring_disk(record, records, present, disk, name)
    if snapshot["memory"] is not None and memory:
        yield from _restoring_memory(record, present, snapshot["memory"], name, version)


def _restoring_disk(record: Record, records: Mapping[Address, Record], present: Parts, disk: Part, name: str) -> Iterator[Diagnostic]:
    address = record.address
    if disk["disk"] == "disk":
        there = present.get("disk")
        if there is not None and there["source"] != disk["source"]:
            detail = f"Snapshot `{name}` was taken of a disk made from image `{disk['image']}`, and `{address}` has another image now."
            hint = "put that image back into the stack and apply, or make a VM of the snapshot with `herocloud vm clone --snapshot`"
            yield Diagnostic("snapshot-image", "The image is another one", detail, address=address, hint=hint)
            return
    else:
        volume = volume_of(records, disk)
        there = volume.parts.get("volume") if volume is not None else None
        uses = [volume_names.plugged_as(use) for use in present["machine"]["volumes"] if not use["readonly"]]
        if volume is not None and volume_names.stem_of(volume) not in uses:
            there = None
        if volume is not None and volume.protect and there is not None:
            detail = f"`{volume.address}` is protected, and restoring replaces its data."
            hint = f"`herocloud state protect --off {volume.address}` lifts it first"
            yield Diagnostic("protected", "Protected", detail, address=volume.address, hint=hint)
    if there is None:
        detail = f"Snapshot `{name}` has a copy of `{disk['disk']}`, which `{address}` has not any more."
        hint = "attach it again, or make a VM of the snapshot with `herocloud vm clone --snapshot`"
        yield Diagnostic("snapshot-disk", "A disk is missing", detail, address=address, hint=hint)
    elif there["size"] < disk["size"]:
        detail = f"`{disk['disk']}` of snapshot `{name}` is {sizes.format_size(disk['size'])}, and that of `{address}` is smaller now."
        hint = f"give it at least {sizes.format_size(disk['size'])} in the stack and apply"
        yield Diagnostic("snapshot-size", "The disk is too small", detail, address=address, hint=hint)


def volume_of(records: Mapping[Address, Record], disk: Part) -> Record | None:
    """Return the volume that a disk of a snapshot is a copy of, whatever it is called now: a rename leaves its file where it is."""
    named = records.get(Address(disk["disk"]))
    volumes = (record for record in records.values() if record.kind == "volume")
    return next((volume for volume in volumes if (volume.parts.get("volume") or {}).get("path") == disk["path"]), named)


_MATTERS = (
    "vcpus",
    "max_vcpus",
    "topology",
    "memory",
    "boot_memory",
    "hotplug",
    "hugepages",
    "root",
    "volumes",
    "shares",
    "nics",
    "payload",
)
"""What of a machine its memory depends on."""


def _restoring_memory(record: Record, present: Parts, memory: Part, name: str, version: str | None) -> Iterator[Diagnostic]:
    address = record.address
    way_out = "`--no-memory` restores its disks alone, and the VM boots"
    if memory["hypervisor"] != record.provider:
        detail = f"The memory in snapshot `{name}` is {memory['hypervisor']}'s, and `{address}` runs on {record.provider} now."
        yield Diagnostic("snapshot-version", "The memory is another hypervisor's", detail, address=address, hint=way_out)
        return
    if memory["version"] != (version or ""):
        detail = (
            f"The memory in snapshot `{name}` was kept by {memory['hypervisor']} {memory['version']}, and this host has "
            f"{version or 'none'}. Memory is only read by the version that wrote it."
        )
        yield Diagnostic("snapshot-version", "The hypervisor has another version", detail, address=address, hint=way_out)
    there = present["machine"]
    changed = [field for field in _MATTERS if memory["machine"].get(field) != there.get(field)]
    if changed:
        detail = f"`{address}` has changed since snapshot `{name}` kept its memory: {', '.join(changed)}."
        yield Diagnostic("snapshot-machine", "The machine is another one", detail, address=address, hint=way_out)
