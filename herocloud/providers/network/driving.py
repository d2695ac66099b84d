"""The effects of the network provider: perform, probe and undo for networks and taps.

Every verb looks at the whole scene first (a few milliseconds) and goes from there; nothing is remembered between two steps. Changes are
made one at a time on the whole host, under a lock that other processes respect: what is checked has to hold until it is done, and two
transactions of nftables wait for each other anyway.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import durable_files, faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.network import dumps, marks, moved_networks, networks, recognition, snapshot, taps
from herocloud.providers.network.links import Wires
from herocloud.providers.seam import Probe, Work

DISCARDS = ("network.discard", "tap.discard")
CHANGES = ("network.create", "network.update", "network.delete", moved_networks.MOVE, "tap.create", "tap.update", "tap.delete")
KINDS = (*CHANGES, *DISCARDS)
"""What was discarded was half made, and of no use to anybody: it does not come back."""

FAULT_POINTS = tuple(
    f"network.{way}{kind}.{point}"
    for way, kinds in (("", KINDS), ("undo.", CHANGES))
    for kind in kinds
    for point in ("before", "half", "after")
)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""

_FOLDER = Path("/run/herocloud")
_LOCK = "network.lock"
_PATIENCE = 30.0
"""Seconds to wait for another command; a change takes one or two, and a plan has a few dozen."""


class NetworkDriver:
    """Performs the steps of the role `network`; it may be used by many threads."""

    def __init__(self, folder: Path, owner: int | None = None) -> None:
        """Work in the network namespace of this process, for the VMs of a data folder.

        `owner` is the user who runs the VMMs and so may open their taps; by default it is this one.
        """
        self._folder = folder
        self._owner = os.geteuid() if owner is None else owner
        self._wires = Wires()

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        self._go(work, work.step.after, f"network.{work.step.kind}")
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        if work.step.kind not in DISCARDS:
            self._go(work, work.step.before, f"network.undo.{work.step.kind}", back=True)

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        dumps.require_admin()
        with _wrapped():
            if work.step.kind == moved_networks.MOVE:
                return moved_networks.probe(self._look(work), work)
            return recognition.probe(self._look(work), work)

    def close(self) -> None:
        """Let go of the connection."""
        self._wires.close()

    def _go(self, work: Work, target: Part, point: str, *, back: bool = False) -> None:
        dumps.require_admin()
        with _wrapped(), _alone(work.cancelled):
            faults.reached(f"{point}.before")
            scene = self._look(work)
            if work.step.kind == moved_networks.MOVE:
                if not moved_networks.is_at(scene, work, back=back):
                    moved_networks.move(scene, self._wires, work, functools.partial(faults.reached, f"{point}.half"), back=back)
            elif not recognition.is_at(scene, work, target):
                self._bring(scene, work, target, f"{point}.half")
            faults.reached(f"{point}.after")

    def _look(self, work: Work) -> snapshot.Scene:
        return snapshot.look(self._folder, self._owner, tap=recognition.name_of(work) if work.step.part.startswith("nic.") else None)

    def _bring(self, scene: snapshot.Scene, work: Work, target: Part, point: str) -> None:
        step = work.step

        def half() -> None:
            faults.reached(point)

        mark = marks.owner_of(work)
        link = scene.by_name.get(recognition.name_of(work)) if step.kind in DISCARDS else None
        if link is not None and scene.mark_of(link) == mark and not marks.is_unfinished(link.alias):
            raise Conflict(f"the {step.part} of `{step.address}` was half made, and is whole by now")
        if step.part == "network":
            if target is None:
                networks.remove(scene, self._wires, mark, recognition.name_of(work), half)
            else:
                networks.ensure(scene, self._wires, mark, target, half)
        elif target is None:
            taps.remove(scene, self._wires, mark, recognition.name_of(work), half)
        else:
            taps.ensure(scene, self._wires, mark, target, self._owner, half)


@contextmanager
def _alone(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Be the only one on this host who changes networks.

    The wait has an end: a change of another command takes seconds, and a lock that is held for longer will not be let go of.
    """
    # A user who has the capability without being root has a folder of the session; two such users do not wait for each other.
    folder = _FOLDER if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR", _FOLDER)) / "herocloud"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = durable_files.wait_for_lock(folder / _LOCK, _PATIENCE, cancelled)
    if lock is None:
        why = "cancelled while waiting for" if cancelled() else f"waited {_PATIENCE:g} s for"
        raise Temporary(f"{why} another command that changes the networks of this host, and holds `{folder / _LOCK}`", delay=1.0)
    try:
        yield
    finally:
        os.close(lock)


@contextmanager
def _wrapped() -> Iterator[None]:
    """Turn what the system says into our own words; nobody above knows its errors."""
    try:
        yield
    except OSError as error:
        raise Permanent(f"the networks of this host cannot be changed: {error}") from error
