"""The effects of networks in user mode: perform, probe and undo for networks and cards, all of which are notes.

A step either wrote its note or did not, so there is no half-way. What is checked before: the ports, and that nobody else's note is there.
"""

from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.parts import Half, Parts, PartsDriver, Seen, reverse
from herocloud.providers.seam import Work
from herocloud.providers.user_network import notes, planning, ports
from herocloud.providers.user_network.notes import Mark, Note

KINDS = ("network.create", "network.update", "network.delete", "tap.create", "tap.update", "tap.delete")

FAULT_POINTS = tuple(f"user_network.{way}{kind}.{point}" for way in ("", "undo.") for kind in KINDS for point in ("before", "after"))
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class UserNetworkDriver(PartsDriver):
    """Performs the steps of the role `network` by notes; it may be used by many threads."""

    def __init__(self, folder: Path) -> None:
        """Work in a data folder."""
        super().__init__("user_network", {"network": _Networks(folder, _network_path), "nic": _Cards(folder, _card_path)})

    def take_back(self, work: Work, half: Half) -> None:
        """Go to `before`; a note of somebody else stands in the way of that, even where this step has made none."""
        seen = self.kind_of(work.step).look(work)
        if seen.stray is not None:
            raise Conflict(seen.stray)
        super().take_back(work, half)


class _Notes(Parts):
    """What networks and cards have in common: each is one note."""

    def __init__(self, folder: Path, place: Callable[[Path, Work], Path]) -> None:
        self._folder = folder
        self._place = place

    def path(self, work: Work) -> Path:
        """Return the place of the note."""
        return self._place(self._folder, work)

    def look(self, work: Work) -> Seen:
        note = notes.read(self._folder, self.path(work))
        if note is None:
            return Seen(None)
        return Seen(note.part, note.mark.lineage) if note.mark == _mark_of(work) else Seen(None, stray=_foreign(note))

    def make(self, work: Work, half: Half) -> None:
        self.change(work, None, half)

    def change(self, work: Work, before: Part, half: Half) -> None:  # noqa: ARG002  (a note is written in one go)
        notes.write(self.path(work), _mark_of(work), work.step.after)

    def drop(self, work: Work, half: Half) -> None:  # noqa: ARG002  (a note is removed in one go)
        notes.remove(self.path(work))


class _Networks(_Notes):
    def change(self, work: Work, before: Part, half: Half) -> None:
        for address in planning.fixed_forwards(before, work.step.after) if before is not None else ():
            if address in work.running:
                way = f"`herocloud vm stop {address}`, apply, and start it again"
                raise Conflict(f"`{address}` runs, and its ports are opened when it starts; {way}")
        ports.check(self._folder, work.step.address, self.path(work), work.step.after["forward"], before)
        super().change(work, before, half)

    def drop(self, work: Work, half: Half) -> None:
        """Forget a network; one that cards are on stays."""
        users = [note.mark.address for note in notes.scan(self._folder, [work.stack]) if note.part.get("network") == _name_of(work)]
        if users:
            raise Conflict(f"`{work.step.address}` is in use: `{users[0]}` has a card on it")
        super().drop(work, half)

    def unchange(self, work: Work, half: Half) -> None:
        """Write what was there: whatever the ports are used for by now, the note tells what the network publishes."""
        super().change(reverse(work), None, half)

    def restore(self, work: Work, half: Half) -> None:
        """Write what was there."""
        super().change(reverse(work), None, half)


class _Cards(_Notes):
    def change(self, work: Work, before: Part, half: Half) -> None:
        if work.step.after["rate"]:
            raise Permanent(f"`{work.step.address}`: {planning.unsupported({'networks': [work.step.after]})[0].detail}")
        super().change(work, before, half)


def _network_path(folder: Path, work: Work) -> Path:
    return notes.network_path(folder, work.stack, _name_of(work))


def _card_path(folder: Path, work: Work) -> Path:
    return notes.tap_path(folder, work.stack, (work.step.after or work.step.before)["tap"])


def _name_of(work: Work) -> str:
    return work.step.address.partition(".")[2]


def _mark_of(work: Work) -> Mark:
    return Mark(work.lineage, work.stack, work.step.address, work.step.part)


def _foreign(note: Note) -> str:
    mark = note.mark
    return f"`{note.path}` notes the {mark.part} of `{mark.address}` of stack `{mark.stack}`, state {mark.lineage}, and is left alone"
