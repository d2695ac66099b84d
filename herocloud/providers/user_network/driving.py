"""The effects of networks in user mode: perform, probe and undo for networks and cards, all of which are notes.

A step either wrote its note or did not, so there is no half-way but in a rename, which moves the note first. What is checked before:
the ports, and that nobody else's note is there.
"""

from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.parts import Half, Parts, PartsDriver, Seen, reverse
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.user_network import loopback_drift, notes, planning, ports
from herocloud.providers.user_network.notes import Mark, Note
from herocloud.providers.vmm.users import Range

MOVE = "network.move"
KINDS = ("network.create", "network.update", "network.delete", MOVE, "tap.create", "tap.update", "tap.delete")

FAULT_POINTS = tuple(
    f"user_network.{way}{kind}.{point}"
    for way in ("", "undo.")
    for kind in KINDS
    for point in ("before", *(("half",) if kind == MOVE else ()), "after")
)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class UserNetworkDriver(PartsDriver):
    """Performs the steps of the role `network` by notes; it may be used by many threads."""

    def __init__(self, folder: Path, users: Range | None = None) -> None:
        """Work in a data folder; `users` is the range that the host file has set aside for VMs."""
        self._folder = folder
        super().__init__("user_network", {"network": _Networks(folder, _network_path, users), "nic": _Cards(folder, _card_path)})

    def bring(self, work: Work, half: Half) -> None:
        """Go to `after` from whatever is there."""
        if work.step.kind == MOVE:
            _move(self._folder, work, half, *_ends(work))
        else:
            super().bring(work, half)

    def probe(self, work: Work) -> Probe:
        """Compare what is noted with the part before and after."""
        return _probe_move(self._folder, work) if work.step.kind == MOVE else super().probe(work)

    def take_back(self, work: Work, half: Half) -> None:
        """Go to `before`; a note of somebody else stands in the way of that, even where this step has made none."""
        if work.step.kind == MOVE:
            _move(self._folder, work, half, *reversed(_ends(work)))
            return
        seen = self.kind_of(work.step).look(work)
        if seen.stray is not None:
            raise Conflict(seen.stray)
        super().take_back(work, half)


class _Notes(Parts):
    """What networks and cards have in common: each is one note."""

    def __init__(self, folder: Path, place: Callable[[Path, Work], Path], users: Range | None = None) -> None:
        self._folder = folder
        self._place = place
        self._users = users

    def path(self, work: Work) -> Path:
        """Return the place of the note."""
        return self._place(self._folder, work)

    def look(self, work: Work) -> Seen:
        note = notes.read(self._folder, self.path(work))
        if note is None:
            return Seen(None)
        return (
            Seen(loopback_drift.as_it_is(note.part), note.mark.lineage) if note.mark == _mark_of(work) else Seen(None, stray=_foreign(note))
        )

    def make(self, work: Work, half: Half) -> None:
        self.change(work, None, half)

    def change(self, work: Work, before: Part, half: Half) -> None:  # noqa: ARG002  (a note is written in one go)
        notes.write(self.path(work), _mark_of(work), loopback_drift.as_noted(work.step.after))
        loopback_drift.close(work.step.after, self._users)

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


def _move(folder: Path, work: Work, half: Half, origin: str, target: str) -> None:
    """Give a network its new name: first its note moves, and then the name in it."""
    old, new = notes.find(folder, work.stack, origin), notes.find(folder, work.stack, target)
    path = notes.network_path(folder, work.stack, target.partition(".")[2])
    if old is None and new is not None and new.path != path:
        # It was on its way back when it was cut off.
        notes.move(new.path, path)
    if old is None:
        if new is None:
            raise Permanent(f"neither `{origin}` nor `{target}` exists, so there is nothing to rename")
        return
    if new is not None or (path.exists() and path != old.path):
        raise Conflict(f"File exists: `{target}` is there already, so `{origin}` cannot take its name")
    if path != old.path:
        notes.move(old.path, path)
    half()
    notes.write(path, old.mark._replace(address=target, lineage=work.lineage), old.part)


def _probe_move(folder: Path, work: Work) -> Probe:
    """Say which of the two names there is; the name in the note decides."""
    origin, target = _ends(work)
    old, new = (notes.find(folder, work.stack, address) for address in (origin, target))
    if old is not None and new is not None:
        return Probe(Found.CONTRADICTED, f"both `{origin}` and `{target}` exist")
    if old is None and new is None:
        return Probe(Found.CONTRADICTED, f"neither `{origin}` nor `{target}` exists")
    if old is not None and old.path != notes.network_path(folder, work.stack, origin.partition(".")[2]):
        return Probe(Found.PARTIAL, f"`{work.step.address}` is half-way: its note lies under the new name and says the old one")
    if new is not None and new.path != notes.network_path(folder, work.stack, target.partition(".")[2]):
        return Probe(Found.PARTIAL, f"`{work.step.address}` is half-way back: its note lies under the old name and says the new one")
    return Probe(Found.NOT_STARTED if new is None else Found.DONE)


def _ends(work: Work) -> tuple[str, str]:
    return work.step.before["address"], work.step.after["address"]


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
