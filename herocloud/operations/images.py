"""The catalogue of images: brought here, held against their checksums, pruned, and built.

None of it is planned: an image alone changes no machine. What is removed can be fetched again, except where its source is gone, so removal
is approved like that of other data, and happens under the lock of the state: no apply can need meanwhile what goes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches, nearest
from herocloud.kits.jsons import Json, Spec
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.worlds import Desired, Recorded, Resource
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting, Sources
from herocloud.providers.images import content_store, downloads, image_folders, intake, store_audit
from herocloud.providers.images.store_audit import Pruned, Stored, Verified

Told = Callable[[str, float | None], None]
"""Hears what is being done, and which share of it is done where that is known."""


class Pulled(NamedTuple):
    """One image that is here now."""

    name: str
    source: str
    """Of an image that is only a kernel, the path of that."""
    sha256: str | None
    """Of the source as it was fetched; nothing for a kernel, of which nothing is stored."""
    format: str
    size: int | None
    """Of the disk in it."""
    new: bool
    """Whether it was fetched now, and was not here before."""


class Built(NamedTuple):
    """An image that was built, as a stack file asks for it."""

    name: str
    lines: tuple[tuple[str, str], ...]
    """Keys and values of its entry below `images:`."""
    release: str


def listed(folder: Path, stack: Sources) -> list[dict[str, Json]]:
    """List the images of the stack, each with whether it is here and how large it is."""
    host, desired = _load(folder, stack)
    observed = stack_plans.look(host, (desired.stack,))
    there = observed.things.get(desired.stack, {})
    rows: list[dict[str, Json]] = []
    for resource in desired.resources:
        if resource.kind != "image":
            continue
        spec, size = resource.spec, observed.images.get(resource.spec["source"] or "")
        present = "image" in there[resource.address].parts if resource.address in there else False
        if not present and not host.host.simulated:
            # Fetched, and not yet asked for by an apply; or a kernel, of which nothing is stored.
            present, size = _is_here(folder, spec)
        rows.append(
            {
                "name": resource.name,
                "aliases": list(spec["aliases"]),
                "source": shown(spec["source"] or spec["kernel"]),
                "format": spec["format"] or ("kernel" if spec["kernel"] else None),
                "sha256": spec["sha256"],
                "present": present,
                "size": size,
            }
        )
    return rows


def _is_here(folder: Path, spec: Spec) -> tuple[bool, int | None]:
    if spec["source"] is None:
        return not _missing_files(spec), None
    entry = content_store.Store(folder).find_for(spec)
    return (False, None) if entry is None else (True, entry.size)


def choose(folder: Path, stack: Sources, wanted: Sequence[str]) -> list[Resource]:
    """Return the images of the stack with these names or aliases, or all of them."""
    host, desired = _load(folder, stack)
    if host.host.simulated:
        raise Refused(
            [
                Diagnostic(
                    "simulated-host",
                    "A simulated host has no images",
                    "The host file describes a machine that does not exist, on which nothing is stored.",
                    hint="take `simulated:` out of host.yaml, or give another `--data-dir`",
                )
            ]
        )
    images = [resource for resource in desired.resources if resource.kind == "image"]
    by_name = {name: image for image in images for name in (*image.spec["aliases"], image.name)}
    unknown = [_unknown(name, by_name) for name in dict.fromkeys(wanted) if name.removeprefix("image.") not in by_name]
    if unknown:
        raise Refused(unknown)
    asked = {by_name[name.removeprefix("image.")].name for name in wanted}
    return [image for image in images if not wanted or image.name in asked]


def _load(folder: Path, stack: Sources) -> tuple[Hosting, Desired]:
    host = inputs.find_host(folder, lookups.read_recorded(folder))
    loaded = inputs.load(folder, stack, host.host)
    if loaded.desired is None:
        raise Refused([*host.diagnostics, *loaded.diagnostics])
    return host, loaded.desired


def _unknown(name: str, known: Iterable[str]) -> Diagnostic:
    close = nearest.nearest(name, known)
    hint = f"did you mean `{close}`?" if close else "`herocloud image list` lists them"
    return Diagnostic("unknown-image", "No such image", f"The stack has no image `{name}`.", hint=hint)


def pull(folder: Path, chosen: Sequence[Resource], told: Callable[[str], Told]) -> Iterator[Pulled]:
    """Bring images into the store, one after the other; `told` gives the listener for the one of a name."""
    host = inputs.find_host(folder, lookups.read_recorded(folder)).host
    for resource in chosen:
        spec = resource.spec
        if spec["source"] is None:
            _require_files(resource)
            yield Pulled(resource.name, spec["kernel"], None, "kernel", None, new=False)
            continue
        before = {stored.entry.key for stored in store_audit.list_contents(folder)}
        entry = intake.pull(folder, host, intake.Order(spec, resource.name, told=told(resource.name)))
        yield Pulled(resource.name, shown(entry.source), entry.sha256, entry.format, entry.size, new=entry.key not in before)


def _require_files(image: Resource) -> None:
    missing = _missing_files(image.spec)
    if missing:
        detail = f"`{image.name}` boots from {' and '.join(f'`{path}`' for path in missing)}, which is not there."
        raise Refused([Diagnostic("path-missing", "A file is missing", detail, hint="`herocloud image build tiny` makes a kernel to try")])


def _missing_files(spec: Spec) -> list[str]:
    return [spec[field] for field in ("kernel", "initramfs") if spec[field] and not Path(spec[field]).is_file()]


def shown(source: str) -> str:
    """Write a source without what may be secret in an address: names, passwords and signatures."""
    return downloads.show(source) if intake.is_remote(source) else source


def stored(folder: Path) -> list[Stored]:
    """List what the store holds, oldest first, with who needs it."""
    return store_audit.list_contents(folder)


def verify(folder: Path, told: Told) -> list[Verified]:
    """Hold every stored content against what was stored."""
    return store_audit.verify(folder, told=told)


def remove_wrong(folder: Path, verified_images: Sequence[Verified], how: How) -> int:
    """Remove the contents that are not what was stored; the next use fetches them again. Returns the bytes that came free."""
    from herocloud.state import locking

    with locking.hold(folder, "image verify", None, how.lock_timeout, how.note):
        return store_audit.remove(folder, [verified_image.entry for verified_image in verified_images if verified_image.wrong is not None])


def find_unused(folder: Path) -> Pruned:
    """Say what pruning would remove."""
    return store_audit.prune(folder, recorded=named_by(lookups.read_recorded(folder)), rehearse=True)


def prune(folder: Path, how: How) -> Pruned:
    """Remove what no image of any stack points at and no record names."""
    from herocloud.state import locking

    with locking.hold(folder, "image prune", None, how.lock_timeout, how.note):
        return store_audit.prune(folder, recorded=named_by(lookups.read_recorded(folder)))


def named_by(recorded: Recorded) -> frozenset[str]:
    """Collect the checksums and sources that records name: of images, and of what disks were made from."""
    found: set[str | None] = set()
    # What an apply is about to fetch has no record yet, and is as needed as what has one.
    for records in (*recorded.records.values(), *recorded.reserved.values()):
        for record in records.values():
            if record.kind == "image":
                found |= {record.spec.get("sha256"), record.spec.get("source")}
            for part in ("image", "disk", "disk.new"):
                body = record.parts.get(part) or {}
                found |= {body.get("sha256"), body.get("source")}
    return frozenset(digest for digest in found if digest)


def build_tiny(folder: Path, out: Path | None, told: Callable[[str], None], *, again: bool) -> Built:
    """Build the small guest of a kernel and an initramfs."""
    from herocloud.providers.images.builds import tiny

    made = tiny.build(_target(folder, out, "tiny"), cache=caches.cache_folder(), again=again, told=told)
    lines = (
        ("kernel", _path(made.kernel)),
        ("initramfs", _path(made.initramfs)),
        ("cmdline", tiny.COMMAND_LINE),
        ("nocloud", "true"),
    )
    return Built("tiny", lines, made.release)


def build_debian(folder: Path, out: Path | None, told: Callable[[str], None], *, release: str | None, again: bool) -> Built:
    """Build a Debian with cloud-init, a boot loader and the guest agent."""
    from herocloud.providers.images.builds import debian

    chosen = {} if release is None else {"release": release}
    made = debian.build(_target(folder, out, "debian"), **chosen, progress=told, again=again)
    lines = (("source", _path(made.disk)), ("sha256", made.sha256), ("format", "raw"), ("nocloud", "true"))
    return Built("debian", lines, made.release)


def _target(folder: Path, out: Path | None, name: str) -> Path:
    if out is not None:
        return out
    target = folder / image_folders.BUILT / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    image_folders.make_folder(target)
    return target


def _path(path: Path) -> str:
    """Write a path as a stack file beside it would: one below the current folder is relative to it."""
    here = path.absolute()
    return f"./{here.relative_to(Path.cwd())}" if here.is_relative_to(Path.cwd()) else str(here)
