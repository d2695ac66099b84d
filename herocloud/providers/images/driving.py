"""The effects of the provider: perform, probe and undo for images, disks, volumes and seeds.

What a step does follows from its part before and after (`providers.parts`); what is special to a kind of object is in the module of that
kind. Every kind marks its object as half-way before it touches it, so that a probe after a crash
has something to go by, and performing or undoing again finds where the last try stopped.
"""

from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import processors
from herocloud.model.hosts import Host
from herocloud.model.steps import KINDS
from herocloud.providers.images import downloads, replaced_disks, space, unmarked_objects
from herocloud.providers.images import tombstones as images_tombstones
from herocloud.providers.images.content_store import Store
from herocloud.providers.images.disks import MOVE, Disks, move_volume, probe_move
from herocloud.providers.images.image_folders import KEEP, Ownership
from herocloud.providers.images.image_names import Images
from herocloud.providers.images.replaced_disks import Replacements
from herocloud.providers.images.seeds import Seeds
from herocloud.providers.images.snapshot_folders import Snapshots
from herocloud.providers.parts import Half, PartsDriver
from herocloud.providers.seam import Found, Probe, Tombstone, Work

PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role == "images")

FAULT_POINTS = tuple(
    f"images.{point}"
    for kind in PERFORMED
    for way in ("", "undo.")
    for point in (f"{way}{kind}.before", f"{way}{kind}.half", f"{way}{kind}.after")
    if not (way and kind.endswith(".discard"))
)
"""Every point at which `HEROCLOUD_FAULTS` can strike; `half` is reached more than once in the kinds that have several ways to be torn.

Taking back that something prepared was discarded does nothing: it lay there for nothing.
"""


class ImagesDriver(PartsDriver):
    """Performs the steps of the role `images`; it may be used by many threads."""

    def __init__(
        self,
        folder: Path,
        host: Host | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        ownership: Ownership = KEEP,
        patience: downloads.Patience = downloads.Patience(),  # noqa: B008  (a named tuple never changes)
    ) -> None:
        """Work in a data folder. Secrets are read out of `environment`.

        `ownership` says to whom disks and seeds belong, for a VMM that does not run as root.
        """
        self._folder = folder
        store, there = Store(folder), space.Room(folder, space.bounds_of(host))
        disks = self._disks = Disks(folder, store, there, ownership)
        images = self._images = Images(folder, store, there, patience)
        seeds = Seeds(folder, ownership, environment or {})
        self._replacements = Replacements(folder, there, ownership)
        super().__init__(
            "images",
            {
                "image": images,
                "disk": disks,
                "volume": disks,
                "seed": seeds,
                "snapshot": Snapshots(folder, there),
            },
        )

    def bring(self, work: Work, half: Half) -> None:
        """Go to `after` from whatever is there."""
        work = self._write_mark_again(work, half)
        # Checksums of gigabytes need no interpreter, so they may use a processor that nobody else here does.
        with processors.everywhere():
            if work.step.kind == MOVE:
                move_volume(self._folder, work)
            elif work.step.kind in replaced_disks.KINDS:
                self._replacements.perform(work, half)
            else:
                super().bring(work, half)

    def _write_mark_again(self, work: Work, half: Half) -> Work:
        """Write a mark again that a step finds lost, before all else; returns what is left to do."""
        rest = unmarked_objects.sound(work)
        if not unmarked_objects.is_lost(self._folder, work):
            return rest
        if work.step.part != "image":
            return unmarked_objects.write_again(self._folder, work)
        self._images.write_mark_again(rest, half)
        return rest

    def take_back(self, work: Work, half: Half) -> None:
        """Go to `before` from `after` or from half-way."""
        work = unmarked_objects.sound(work)
        if work.step.kind.endswith(".discard"):
            # It lay there for nothing, and nobody misses it.
            return
        if work.step.kind == MOVE:
            move_volume(self._folder, work, back=True)
        elif work.step.kind in replaced_disks.KINDS:
            self._replacements.undo(work, half)
        else:
            super().take_back(work, half)

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        if unmarked_objects.is_lost(self._folder, work):
            return Probe(Found.NOT_STARTED)
        work = unmarked_objects.sound(work)
        if work.step.kind == MOVE:
            return probe_move(self._folder, work)
        if work.step.kind in replaced_disks.KINDS:
            return self._replacements.probe(work)
        probe = super().probe(work)
        return probe._replace(stays=self._disks.why_it_stays(work)) if KINDS[work.step.kind].grows and probe.found is Found.DONE else probe

    def tombstones(self) -> list[Tombstone]:
        """List the data that was deleted and is still there, oldest first."""
        return images_tombstones.list_tombstones(self._folder)

    def drop_tombstone(self, key: str) -> bool:
        """Destroy what a tombstone keeps; tells whether there was anything under this key."""
        return images_tombstones.destroy(self._folder, key)
