"""The effects of networks in user mode: perform, probe and undo for networks and cards, all of which are notes.

A step either wrote its note or did not, so there is no half-way. What is checked before: the ports, and that nobody else's note is there.
"""

from pathlib import Path

from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.user_network import notes, planning, ports
from herocloud.providers.user_network.notes import Mark, Note

KINDS = ("network.create", "network.update", "network.delete", "tap.create", "tap.update", "tap.delete")

FAULT_POINTS = tuple(f"user_network.{way}{kind}.{point}" for way in ("", "undo.") for kind in KINDS for point in ("before", "after"))
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class UserNetworkDriver:
    """Performs the steps of the role `network` by notes; it may be used by many threads."""

    def __init__(self, folder: Path) -> None:
        """Work in a data folder."""
        self._folder = folder

    def perform(self, work: Work) -> Part:
        """Bring the note to `after`."""
        self._go(work, work.step.after, f"user_network.{work.step.kind}", undoing=False)
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the note back to `before`."""
        self._go(work, work.step.before, f"user_network.undo.{work.step.kind}", undoing=True)

    def probe(self, work: Work) -> Probe:
        """Compare the note with the part before and after."""
        note = self._read(work)
        if note is not None and note.mark != _mark_of(work):
            return Probe(Found.CONTRADICTED, _foreign(note))
        current = note.part if note else None
        if current == work.step.after:
            return Probe(Found.DONE)
        if current == work.step.before:
            return Probe(Found.NOT_STARTED)
        what = "gone" if current is None else "neither as before nor as after"
        return Probe(Found.CONTRADICTED, f"the note of the {work.step.part} of `{work.step.address}` is {what} `{work.step.kind}`")

    def close(self) -> None:
        """Hold nothing open."""

    def _go(self, work: Work, target: Part, point: str, *, undoing: bool) -> None:
        faults.reached(f"{point}.before")
        note = self._read(work)
        if note is not None and note.mark != _mark_of(work):
            raise Conflict(_foreign(note))
        if target is None:
            self._refuse_users(work)
            notes.remove(self._path(work))
        elif note is None or note.part != target:
            if work.step.part == "network":
                self._check_network(work, note, target, undoing=undoing)
            elif target["rate"]:
                raise Permanent(f"`{work.step.address}`: {planning.unsupported({'networks': [target]})[0].detail}")
            notes.write(self._path(work), _mark_of(work), target)
        faults.reached(f"{point}.after")

    def _check_network(self, work: Work, note: Note | None, target: Part, *, undoing: bool) -> None:
        if undoing:
            return
        if note is not None:
            for address in planning.fixed_forwards(note.part, target):
                if address in work.running:
                    way = f"`herocloud vm stop {address}`, apply, and start it again"
                    raise Conflict(
                        f"`{address}` runs, and its ports are opened when it starts; {way}",
                    )
        ports.check(self._folder, work.step.address, self._path(work), target["forward"], note)

    def _refuse_users(self, work: Work) -> None:
        """Refuse to forget a network that cards are on."""
        if work.step.part != "network":
            return
        name = work.step.address.partition(".")[2]
        users = [note.mark.address for note in notes.scan(self._folder, [work.stack]) if note.part.get("network") == name]
        if users:
            raise Conflict(f"`{work.step.address}` is in use: `{users[0]}` has a card on it")

    def _read(self, work: Work) -> Note | None:
        return notes.read(self._folder, self._path(work))

    def _path(self, work: Work) -> Path:
        if work.step.part == "network":
            return notes.network_path(self._folder, work.stack, work.step.address.partition(".")[2])
        return notes.tap_path(self._folder, work.stack, (work.step.after or work.step.before)["tap"])


def _mark_of(work: Work) -> Mark:
    return Mark(work.lineage, work.stack, work.step.address, work.step.part)


def _foreign(note: Note) -> str:
    mark = note.mark
    return f"`{note.path}` notes the {mark.part} of `{mark.address}` of stack `{mark.stack}`, state {mark.lineage}, and is left alone"
