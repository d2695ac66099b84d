"""The host as the planner sees it: what was detected, overridden by what the operator says, with the slices that follow.

Each value remembers where it came from, because a number that nobody typed is the first thing to doubt when a plan does not fit.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from herocloud.host import detection, slicing
from herocloud.host.detection import Detected, detect
from herocloud.host.hostfile import HostFile, read_host_file
from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host, ImageLimits, Ratios, Uplink
from herocloud.model.ids import Sid
from herocloud.providers import registry

__all__ = ["Detected", "HostAnswer", "HostFile", "detect", "make_host", "read_host_file"]

_NOTHING = HostFile({}, simulated=False)


class HostAnswer(NamedTuple):
    """The host with everything else that its file says."""

    host: Host | None
    """Nothing when the host file is wrong."""
    diagnostics: tuple[Diagnostic, ...] = ()
    settings: Mapping[str, str] = {}
    """Flags by name without the dashes in front."""
    providers: Mapping[str, Mapping[str, Json]] = {}
    """The sections of providers, by their name."""


class _Choice:
    """Takes each value from the file, from the machine, or from the defaults, and keeps a list of where from."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.sources: list[tuple[str, str]] = []

    def take(self, name: str, fallback: Any, source: str = "default", *, key: str | None = None) -> Any:
        value = self._values.get(key or name)
        self.sources.append((name, source if value is None else "file"))
        return fallback if value is None else value


def make_host(
    folder: Path,
    recorded_slices: int,
    own_bytes: int = 0,
    *,
    stored: int = 0,
    disks: Path | None = None,
    in_use: Collection[Sid] = (),
    proc: Path = detection.PROC,
    sys: Path = detection.SYS,
) -> HostAnswer:
    """Put the host together.

    `recorded_slices` is how many slices there were so far, `own_bytes` what our own disks occupy of the file system (space that a plan
    may count on, since it already belongs to VMs) less what it must not count on, `stored` what else of ours lies there, `disks` where
    disks lie, `in_use` the slices that VMs hold.
    """
    file, wrong = read_host_file(folder)
    if any(diagnostic.is_error for diagnostic in wrong):
        return HostAnswer(None, wrong)
    file = file or _NOTHING
    host = _assemble(file, detect(disks or folder, proc=proc, sys=sys), own_bytes, stored, in_use)
    if host.image_catalogue is not None:
        host = host._replace(image_catalogue=str((folder / host.image_catalogue).absolute()))
    diagnostics = slicing.check_size(host.memory, len(host.slices), host.reserve_memory) + slicing.check_fewer(
        recorded_slices, len(host.slices)
    )
    return HostAnswer(host, wrong + diagnostics, file.settings(), _settings_of_providers(file, folder))


def _settings_of_providers(file: HostFile, folder: Path) -> dict[str, dict[str, Json]]:
    """Collect the sections that providers declare; a path there is relative to the data folder."""
    sections: dict[str, dict[str, Json]] = {}
    for declaration in registry.declarations() if file.values else ():
        for key, kind in declaration.settings.items():
            value = file.values.get(f"{declaration.name}.{key}")
            if value is not None:
                sections.setdefault(declaration.name, {})[key] = (folder / value).absolute() if kind == "path" else value
    # What hypervisors have in common.
    users = {key: file.values[f"vmm.{key}"] for key in ("first_uid", "uids") if f"vmm.{key}" in file.values}
    return {**sections, "vmm": users} if users else sections


def _assemble(file: HostFile, detected: Detected, own_bytes: int, stored: int, in_use: Collection[Sid]) -> Host:
    choice = _Choice(file.values)
    name = choice.take("name", detected.name, "detected")
    memory = choice.take("memory", detected.memory, "detected", key="simulated.memory")
    disk = choice.take("disk", detected.disk, "detected", key="simulated.disk")
    cpus = choice.take("cpus", detected.cpus, "detected", key="simulated.cpus")
    # A simulated host sets huge pages aside as VMs ask for them, unless its file says how many there are.
    found = (None, "default") if file.simulated else (detected.hugepages, "detected")
    hugepages = choice.take("hugepages", *found, key="simulated.hugepages")
    uplink, numa, free = detected.uplink, detected.numa, max(0, min(disk, detected.disk_free + own_bytes + stored))
    if file.simulated:
        # A machine that does not exist has no memory nodes and no cards of this one, and nothing on its disk but what we put there.
        speed = file.values.get("simulated.uplink")
        uplink, numa, free = (None if speed is None else Uplink("uplink", speed)), (), disk
    choice.sources += [("uplink", "file" if file.simulated else "detected"), ("numa", "file" if file.simulated else "detected")]
    choice.sources.append(("disk_free", "file" if file.simulated else "detected"))
    defaults = Ratios()
    ratios = Ratios(
        **{field: float(choice.take(f"oversubscription.{field}", getattr(defaults, field))) for field in Ratios._fields},
    )
    reserve_memory = choice.take("reserve.memory", slicing.RESERVE_MEMORY)
    reserve_disk = choice.take("reserve.disk", 0)
    slices = slicing.make_slices(memory, disk, reserve_memory=reserve_memory, reserve_disk=reserve_disk, in_use=in_use)
    return Host(
        name=name,
        memory=memory,
        disk=disk,
        disk_free=free,
        disk_stored=0 if file.simulated else stored,
        cpus=cpus,
        slices=slices,
        numa=numa,
        uplink=uplink,
        simulated=file.simulated,
        reserve_memory=reserve_memory,
        reserve_disk=reserve_disk,
        ratios=ratios,
        limit_disk=choice.take("limits.disk", None),
        limit_network=choice.take("limits.network", None),
        limit_disk_io=choice.take("limits.disk_io", None),
        image_share=choice.take("images.share", Host._field_defaults["image_share"]),
        image_keep_free=choice.take("images.keep_free", Host._field_defaults["image_keep_free"]),
        image_limits=ImageLimits(**{field: choice.take(f"limits.{field}", value) for field, value in ImageLimits()._asdict().items()}),
        image_catalogue=choice.take("images.catalogue", None),
        hugepages=hugepages,
        sources=(*choice.sources, *_by_group(choice.sources)),
    )


def _by_group(sources: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return one source for each group of keys: the file as soon as it gives one of them."""
    groups: dict[str, str] = {}
    for name, source in sources:
        group, dot, _ = name.partition(".")
        if dot and groups.get(group) != "file":
            groups[group] = source
    return list(groups.items())
