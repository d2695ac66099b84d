"""Whole VMs in one file: written from a snapshot, and made again from the file on this host or another one.

The file holds the VM as a stack file would ask for it, so that what comes in goes through the same checks as any other input, and the
disks. Addresses, MACs, sids and slices are not in it: they are decided where the VM is made.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import herocloud
from herocloud.kits import jsons, sparse_archives
from herocloud.kits.jsons import Json
from herocloud.kits.sparse_archives import Archive, BadArchive, Limits
from herocloud.model import ids, parts
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.worlds import Record, Resource
from herocloud.operations import clone_requests, import_folders, inputs, lookups, stack_plans
from herocloud.operations.deployment import STACK
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Planned
from herocloud.stack.fence import Fence

_FORMAT, _VERSION = "herocloud-vm", 1
_MANIFEST = "manifest.json"
_PAYLOAD = ("kernel", "initramfs")
_LEFT_OUT = ("shares", "mycelium", "depends_on", "slice", "hypervisor", "update", "secrets")
"""What an import does not bring: it is about the host that the VM was on. Secrets of this host go into no VM that came from outside."""

Told = Callable[[int], None]


def export(folder: Path, vm: str, snapshot: str, stack: str | None, target: Path, told: Told = lambda _bytes: None) -> int:
    """Write a VM as it was in a snapshot into a file; returns its size."""
    from herocloud.plan import snapshots
    from herocloud.providers import registry

    recorded = lookups.read_recorded(folder)
    record = lookups.find_vm(recorded, vm, stack)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, (record.stack,))
    part = clone_requests.snapshot_of(record, recorded, observed, snapshot, 0, must_be=True)
    thing = observed.things.get(record.stack, {}).get(record.address)
    taken = thing.taken.get(f"{parts.SNAPSHOT}{snapshot}") if thing is not None else None
    records = recorded.records[record.stack]
    simulated = registry.is_simulated(record.provider)
    images = registry.images(registry.simulated_roles()["images"] if simulated else registry.usual_roles()["images"])
    members: list[tuple[str, Path | bytes]] = []
    disks: list[Json] = []
    for disk in part["disks"]:
        file = parts.copy_file(disk["disk"])
        members.append((file, images.data(host.context, snapshots.origin_of(record, snapshot, part, disk["disk"]))))
        disks.append({"disk": disk["disk"], "file": file, "size": disk["size"]})
    payload = _payload(folder, record)
    members += [(name, Path(path)) for name, path in payload.items()]
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "herocloud": herocloud.__version__,
        "name": record.address.partition(".")[2].replace("[", "-").replace("]", ""),
        "simulated": simulated,
        "hypervisor": record.provider,
        "taken": int(taken if taken is not None else part["created"]),
        "disks": disks,
        "payload": {name: f"{name}" for name in payload},
        "cmdline": (record.spec["image_id"]["payload"] or {}).get("cmdline"),
        "nocloud": bool(record.spec["image_id"]["nocloud"]),
        **_fields(record, records),
    }
    try:
        sparse_archives.write(target, [(_MANIFEST, jsons.dumps(manifest).encode()), *members], told)
    except FileExistsError:
        detail = f"`{target}` is there already, and an export replaces nothing."
        raise Refused([Diagnostic("file-exists", "The file exists", detail, hint="choose another name, or remove it")]) from None
    except OSError as error:
        detail = f"`{target}` cannot be written: {error.strerror or error}."
        raise Refused([Diagnostic("export-failed", "The export failed", detail)]) from error
    return target.stat().st_size


def refuse_target(target: Path) -> None:
    """Raise where an export could not be written, before anything is done for it."""
    if target.exists() or target.is_symlink():
        detail = f"`{target}` is there already, and an export replaces nothing."
        raise Refused([Diagnostic("file-exists", "The file exists", detail, hint="choose another name, or remove it")])
    if not target.absolute().parent.is_dir() or not os.access(target.absolute().parent, os.W_OK):
        detail = f"`{target.absolute().parent}` is not a folder that you may write to."
        raise Refused([Diagnostic("export-failed", "The export failed", detail)])


def _payload(folder: Path, record: Record) -> Mapping[str, str]:
    """Return what the VM boots besides its disks; the files of its image may be others by now."""
    from herocloud.providers import registry

    payload = record.spec["image_id"]["payload"] or {}
    named = {name: payload[name] for name in _PAYLOAD if payload.get(name)}
    return registry.hypervisor(record.provider).payload(folder, record.sid, named) if record.sid else named


def _fields(record: Record, records: Mapping[Address, Record]) -> dict[str, Json]:
    from herocloud.stack import export

    image = record.spec["image"]
    vm = {key: value for key, value in export.export_vm(record, {image}).items() if key not in (*_LEFT_OUT, "volumes", "image", "protect")}
    networks = [records.get(ids.make_address("network", nic["network"])) for nic in record.spec["networks"]]
    tree = export.export_tree([network for network in networks if network is not None], record.stack)
    found = {name: {key: value for key, value in one.items() if key != "forward"} for name, one in tree.get("networks", {}).items()}
    return {"vm": vm, "image": image, "networks": found}


class ImportWanted(NamedTuple):
    """The import that is asked for."""

    file: Path
    name: str | None = None
    """Nothing takes the name that the VM had."""
    slices: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    hypervisor: str = "auto"
    """`auto` takes the one that ran the VM, where it is there."""


class Unpacked(NamedTuple):
    """An archive whose content lies in the data folder."""

    place: str
    """Below the data folder."""
    manifest: Mapping[str, Any]


@contextmanager
def unpacked(folder: Path, file: Path, told: Told = lambda _bytes: None) -> Iterator[Unpacked]:
    """Unpack an archive with every check for as long as a VM is made from it; what an unfinished apply still needs stays."""
    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded).host
    manifest, archive = _open(file, host)
    try:
        import_folders.sweep(folder)
        needed = sum(sum(length for _, length in member.segments) for member in archive.members.values())
        _require_room(folder, needed)
        with import_folders.open_new(folder) as place:
            for name in [disk["file"] for disk in manifest["disks"]] + list(manifest["payload"].values()):
                archive.unpack(name, place / name, told)
            yield Unpacked(f"{place.parent.name}/{place.name}", manifest)
    except BadArchive as error:
        raise _bad(file, error) from error
    finally:
        archive.close()


def _open(file: Path, host: Host) -> tuple[Mapping[str, Any], Archive]:
    limits = Limits(host.image_limits.unpacked, host.image_limits.ratio)
    try:
        archive = Archive(file, limits)
        try:
            return _read_manifest(archive), archive
        except BaseException:
            archive.close()
            raise
    except BadArchive as error:
        raise _bad(file, error) from error
    except OSError as error:
        detail = f"`{file}` cannot be read: {error.strerror or error}."
        raise Refused([Diagnostic("import-failed", "The archive cannot be read", detail)]) from error


def _bad(file: Path, error: BadArchive) -> Refused:
    detail = f"`{file}` is refused: {error}. Nothing was changed."
    hint = "`herocloud vm export` writes such files; one that is compressed has to be unpacked first"
    return Refused([Diagnostic("bad-archive", "Not an archive that can be imported", detail, hint=hint)])


def _read_manifest(archive: Archive) -> Mapping[str, Any]:
    """Return the manifest, once it is known to have the shape that everything else counts on."""
    try:
        manifest = jsons.loads(archive.check_text(_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BadArchive("its manifest is damaged" if not isinstance(error, BadArchive) else str(error)) from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise BadArchive("it does not say that it holds a VM")
    if manifest.get("version") != _VERSION:
        raise BadArchive(f"it was written by herocloud {manifest.get('herocloud')!r}, whose archives this version does not know")
    disks, payload = manifest.get("disks"), manifest.get("payload")
    if not isinstance(disks, list) or not isinstance(payload, dict) or not isinstance(manifest.get("vm"), dict):
        raise BadArchive("its manifest is damaged")
    if not isinstance(manifest.get("networks"), dict) or not isinstance(manifest.get("name"), str):
        raise BadArchive("its manifest is damaged")
    named = [entry.get("file") if isinstance(entry, dict) else None for entry in disks] + list(payload.values())
    if any(name not in archive.members or name == _MANIFEST for name in named) or len(set(named)) < len(named):
        raise BadArchive("its manifest names what is not in it")
    for disk in disks:
        if not _is_disk(disk.get("disk")) or type(disk.get("size")) is not int or not 0 < disk["size"] < 2**62:
            raise BadArchive("its manifest is damaged")
        if not manifest.get("simulated") and archive.members[disk["file"]].size > disk["size"]:
            raise BadArchive(f"`{disk['file']}` is larger than its disk")
    if set(payload) - set(_PAYLOAD):
        raise BadArchive("its manifest is damaged")
    return manifest


def _is_disk(name: object) -> bool:
    return isinstance(name, str) and (name == "disk" or (name.startswith("volume.") and bool(ids.NAME.match(name[len("volume.") :]))))


def plan_import(folder: Path, wanted: ImportWanted, content: Unpacked) -> Planned:
    """Plan the VM in an archive that was unpacked."""
    from herocloud.plan import clones
    from herocloud.providers import registry

    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    manifest = content.manifest
    name = wanted.name or manifest["name"]
    if manifest.get("simulated") and not host.host.simulated and not any(registry.is_simulated(provider) for provider in _here(recorded)):
        detail = f"`{wanted.file}` holds a simulated VM, whose disks hold nothing that a real one could boot."
        raise Refused([Diagnostic("import-simulated", "A simulated VM", detail)])
    simulator = registry.simulation().name
    if manifest.get("simulated") and wanted.hypervisor not in ("auto", simulator):
        detail = f"`{wanted.file}` holds a simulated VM, and `{wanted.hypervisor}` runs real ones."
        raise Refused([Diagnostic("import-simulated", "A simulated VM", detail, hint=f"leave the hypervisor out, or name `{simulator}`")])
    if not manifest.get("simulated") and (wanted.hypervisor == simulator or (wanted.hypervisor == "auto" and host.host.simulated)):
        detail = f"`{wanted.file}` holds the VM of a real host, and what is on its disks has no place on a simulated one."
        raise Refused([Diagnostic("import-simulated", "Not a simulated VM", detail, hint="import it on a real host")])
    vm, networks, image = _load(folder, host, wanted, content)
    disks: dict[str, tuple[int, dict[str, Json]]] = {
        disk["disk"]: (disk["size"], {"archive": content.place, "disk": disk["disk"], "path": f"{content.place}/{disk['file']}"})
        for disk in manifest["disks"]
    }
    original = clones.Original(vm, image, networks, disks, None, bool(manifest.get("nocloud")))
    observed = stack_plans.look(host, (STACK,))
    asked = clones.Wanted(name, STACK, "vm import", wanted.slices)
    plan = clones.plan_copy(asked, original, recorded, observed, clone_requests.able(host, vm).host)
    return stack_plans.without_file(plan, recorded, observed, host)


def _here(recorded: Any) -> Iterator[str]:
    for records in recorded.records.values():
        yield from (record.provider for record in records.values() if record.kind == "vm")


def _load(folder: Path, host: inputs.Hosting, wanted: ImportWanted, content: Unpacked) -> tuple[Resource, Mapping[str, Resource], Resource]:
    """Read what the archive asks for as if a stack file had asked for it, so that the same checks hold."""
    from herocloud.providers import registry

    manifest = content.manifest
    kernel = _keep_payload(folder, content)
    fields = {key: value for key, value in manifest["vm"].items() if key not in _LEFT_OUT}
    if isinstance(fields.get("user_data"), dict) and "text" not in fields["user_data"]:
        raise _bad(wanted.file, BadArchive("it names a file of this host"))
    # An image of a kernel is never fetched; which kernel it is follows below.
    stand_in = {"kernel": kernel.get("kernel") or str(wanted.file.absolute()), "nocloud": bool(manifest.get("nocloud"))}
    if kernel.get("initramfs"):
        stand_in["initramfs"] = kernel["initramfs"]
    if isinstance(manifest.get("cmdline"), str):
        stand_in["cmdline"] = manifest["cmdline"]
    image_name = str(manifest.get("image") or "imported")
    simulated = bool(manifest.get("simulated"))
    text = jsons.dumps(
        {
            "stack": STACK,
            "images": {image_name: stand_in},
            "networks": manifest["networks"],
            "vms": {
                "imported": {**fields, "image": image_name, "hypervisor": registry.simulation().name if simulated else wanted.hypervisor}
            },
        }
    )
    fence = Fence(str(folder / content.place), (str(folder / "images" / "built"), str(wanted.file.absolute())))
    loaded = inputs.load(folder, Sources(("-",), stdin=text, environment=wanted.environment, fence=fence), host.host)
    if loaded.desired is None:
        found = [diagnostic._replace(place=None, snippet=None) for diagnostic in loaded.diagnostics]
        raise Refused(found)
    resources = {resource.address: resource for resource in loaded.desired.resources}
    vm = resources[ids.make_address("vm", "imported")]
    image = resources[ids.make_address("image", image_name)]
    if not kernel:
        # What its disk was made from may be gone by now, and is not needed: the disk itself is here.
        spec = {**image.spec, "source": None, "kernel": None, "initramfs": None, "cmdline": None}
        own = f"imported-{jsons.digest(spec)[:8]}"
        image = image._replace(spec=spec, address=ids.make_address("image", own), name=own)
    networks = {resource.name: resource for resource in resources.values() if resource.kind == "network"}
    ran_on = manifest.get("hypervisor")
    vm = vm._replace(spec={**vm.spec, "image": image.name}, literal=True, ran_on=ran_on if ran_on in registry.hypervisor_names() else "")
    return vm, networks, image._replace(place=None)


def _keep_payload(folder: Path, content: Unpacked) -> dict[str, str]:
    """Put a kernel that was unpacked where built images lie, because its VM boots from there from now on."""
    payload = content.manifest["payload"]
    if not payload:
        return {}
    from herocloud.kits import durable_files

    sources = {name: folder / content.place / file for name, file in payload.items()}
    place = folder / "images" / "built" / f"imported-{_digest(sources)}"
    if not place.is_dir():
        draft = place.with_name(f".{place.name}.{os.getpid()}.new")
        shutil.rmtree(draft, ignore_errors=True)
        for path in (place.parent.parent, place.parent, draft):
            path.mkdir(mode=0o711, exist_ok=True)
        for name, source in sources.items():
            shutil.copyfile(source, draft / name)
            (draft / name).chmod(0o644)
        try:
            draft.rename(place)
        except OSError:
            # Somebody has just brought the same.
            shutil.rmtree(draft, ignore_errors=True)
        durable_files.sync_folder(place.parent)
    return {name: str(place / name) for name in payload}


def _digest(sources: Mapping[str, Path]) -> str:
    state = jsons.blake2b(digest_size=8)
    for name, path in sorted(sources.items()):
        state.update(f"{name}\0".encode())
        with path.open("rb") as stream:
            while chunk := stream.read(1024**2):
                state.update(chunk)
    return str(state.hexdigest())


def _require_room(folder: Path, needed: int) -> None:
    found = os.statvfs(next(place for place in (folder, *folder.absolute().parents) if place.exists()))
    free = found.f_bavail * found.f_frsize
    if needed > free:
        from herocloud.kits import sizes

        detail = f"Unpacking takes {sizes.show_size(needed)}, and {sizes.show_size(free)} are free in `{folder}`."
        raise Refused([Diagnostic("no-space", "No space left on the disk", detail, hint="`herocloud state gc` frees deleted data")])
