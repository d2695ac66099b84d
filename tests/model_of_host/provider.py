"""The face of the model towards the engine: a driver for every role, and the observer."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any

from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers.seam import Found, Probe, Tombstone, Work
from tests.model_of_host.clock import Cut, HostClock
from tests.model_of_host.machines import BESIDE, DATA, Gone, Impossible, Machines
from tests.model_of_host.machines import Thing as ModelThing

TIMES = {
    "image.fetch": 20.0, "disk.create": 2.0, "volume.create": 0.5, "vm.create": 0.3, "vm.boot": 1.5, "vm.stop": 8.0,
    "vm.ready": 3.0, "disk.prepare": 2.0, "vm.resize": 1.0, "vm.attach": 0.5, "vm.detach": 1.0, "network.create": 0.2,
}  # fmt: skip
"""Seconds that things take on this host."""

LONG = ("image", "disk", "volume", "network", "machine")
"""What takes long enough to make to be found half made; a card is there or it is not."""

GIVES_UP_AFTER = 4.0
"""How often long work looks whether it should give up."""


def seconds_of(kind: str) -> float:
    return TIMES.get(kind, 0.1)


class Fates:
    """Which calls go wrong, drawn by what is called and how often, so that the order of threads changes nothing."""

    def __init__(self, seed: str = "", share: float = 0.0) -> None:
        self.seed, self._share = seed, share
        self._calls: dict[str, int] = {}
        self.struck: list[str] = []

    def draw(self, verb: str, step: str) -> str:
        """Return `fine`, or when the call fails: `before` it did anything, `half` way, `after` all of it, or `again` later."""
        if self._share <= 0:
            return "fine"
        call = f"{verb} {step}"
        self._calls[call] = number = self._calls.get(call, 0) + 1
        chance = Random(f"{self.seed} {call} {number}")
        if chance.random() >= self._share:
            return "fine"
        self.struck.append(call)
        return chance.choice(("before", "before", "half", "after", "again"))


class ModelProvider:
    """Performs steps on the model. One driver serves every role; many threads call it."""

    def __init__(self, machines: Machines, clock: HostClock) -> None:
        self.machines, self.clock = machines, clock
        self.fates = Fates()
        self.ranks: Mapping[str, int] = {}
        """Where each step stands in its plan: what ends at the same moment ends in this order."""
        self.before_effect: Callable[[Work], None] = lambda _work: None
        self._lock = threading.RLock()

    def __call__(self, _name: str, _role: str) -> "ModelProvider":
        """Be the driver of every provider in every role."""
        return self

    def close(self) -> None:
        """Nothing is open."""

    # Effects.

    def perform(self, work: Work) -> Any:
        self._run(work, work.step.before, work.step.after, undoing=False)
        return work.step.after

    def undo(self, work: Work) -> None:
        self._run(work, work.step.after, work.step.before, undoing=True)

    def _run(self, work: Work, before: Any, after: Any, *, undoing: bool) -> None:
        step = work.step
        self._wait_for_turn(work)
        fate = self.fates.draw("undo" if undoing else "perform", step.id)
        if fate in {"before", "again"}:
            self._spend(work, 0.05)
            raise (Permanent if fate == "before" else Temporary)(f"{step.id} fails {fate}")
        if step.kind == "vm.ready":
            if not undoing:
                self._spend(work, seconds_of(step.kind))
        elif step.kind.endswith(".move"):
            self._spend(work, seconds_of(step.kind))
            with self._lock:
                self._attempt(lambda: self._rename(work, before["address"], after["address"]))
        else:
            self._change(work, before, after, fate, undoing=undoing)
        if fate == "after":
            raise Permanent(f"{step.id} is done, and the answer got lost")

    def _rename(self, work: Work, origin: str, target: str) -> None:
        self.machines.rename(self.clock.time, work.stack, origin, target)
        self.machines.thing(work.stack, target).lineage = work.lineage

    def _change(self, work: Work, before: Any, after: Any, fate: str, *, undoing: bool) -> None:
        part = work.step.part
        with self._lock:
            thing = self.machines.thing(work.stack, work.step.address)
            if self._is_there(thing, part, after) and part not in thing.halves:
                return
            self._attempt(lambda: self._begin(work, thing, before, after, fate, undoing=undoing))
        kind = work.step.kind
        if undoing:
            # Nothing is copied to take back what was done to data, and the way back of a power switch is the other one.
            kind = {"power": f"vm.{'boot' if after == 'running' else 'stop'}", "disk": "", "volume": ""}.get(part, kind)
        try:
            self._spend(work, seconds_of(kind))
        except (Cut, Temporary):
            with self._lock:
                self._leave_half(work, thing, after, undoing=undoing)
            raise
        if fate == "half":
            raise Permanent(f"{work.step.id} fails half-way")
        with self._lock:
            self._attempt(lambda: self._end(work, thing, after, undoing=undoing))

    def _attempt(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Impossible as error:
            raise Conflict(f"impossible: {error}") from error
        except Gone as error:
            raise Permanent(str(error)) from error

    def _begin(self, work: Work, thing: ModelThing, before: Any, after: Any, fate: str, *, undoing: bool) -> None:
        part, current = work.step.part, thing.parts.get(work.step.part)
        if thing.lineage not in (None, work.lineage) and thing.parts:
            raise Impossible(f"{thing.address} belongs to somebody else")
        if part not in thing.halves and part != "power" and after is not None and _plain(current) not in (_plain(before), _plain(after)):
            raise Impossible(f"{part} of {thing.address} is {current}, not {before}")
        if after is not None or current is not None:
            self.machines.check(thing, part, after, undoing=undoing)
        thing.lineage, thing.provider = work.lineage, work.step.provider if not thing.provider else thing.provider
        if part == "power" and after == "stopped":
            if fate != "half":
                self.machines.begin_stopping(self.clock.time, thing)
        elif current is None and after is not None and part in LONG and not undoing and not work.step.kind.endswith(".place"):
            thing.halves[part] = (after, after["size"] if part.removesuffix(BESIDE) in DATA else 0)
        self.machines.measure()

    def _end(self, work: Work, thing: ModelThing, after: Any, *, undoing: bool) -> None:
        part = work.step.part
        if work.step.kind.endswith(".place") and not undoing:
            self.machines.place(self.clock.time, thing, part, after)
        elif work.step.kind.endswith(".place"):
            self.machines.put_beside(self.clock.time, thing, part, after)
        elif after is None and part not in thing.parts:
            thing.halves.pop(part, None)
        else:
            self.machines.check(thing, part, after, undoing=undoing)
            self.machines.put(self.clock.time, thing, part, after, (work.plan, work.step.id), purge=work.purge, undoing=undoing)
        if part == "machine":
            thing.provider = work.step.provider

    def _leave_half(self, work: Work, thing: ModelThing, after: Any, *, undoing: bool) -> None:
        """The caller is gone or gave up in the middle: what had begun comes about, or it does not, or it stays half done."""
        chance = Random(f"{self.fates.seed} {work.step.id} {self.clock.time}")
        if chance.random() < 0.4:
            try:
                self._end(work, thing, after, undoing=undoing)
            except Impossible:
                return
        elif work.step.part == "power":
            self.machines.go_on_serving(self.clock.time, thing)
        elif chance.random() < 0.5 and not undoing:
            thing.halves.pop(work.step.part, None)

    def _wait_for_turn(self, work: Work) -> None:
        self.clock.sleep(0.0, (self.ranks.get(work.step.id, 0), work.step.id))

    def _spend(self, work: Work, seconds: float) -> None:
        rank = (self.ranks.get(work.step.id, 0), work.step.id)
        while seconds > 0:
            self.clock.sleep(min(seconds, GIVES_UP_AFTER), rank)
            seconds -= GIVES_UP_AFTER
            if seconds > 0 and work.cancelled():
                raise Temporary(f"{work.step.id} gave up", delay=0.0)

    @staticmethod
    def _is_there(thing: ModelThing, part: str, wanted: Any) -> bool:
        return bool(_plain(thing.parts.get(part)) == _plain(wanted))

    # Looking.

    def probe(self, work: Work) -> Probe:
        step = work.step
        self._wait_for_turn(work)
        with self._lock:
            if step.kind.endswith(".move"):
                return self._probe_move(work)
            thing = self.machines.thing(work.stack, step.address)
            if step.part in thing.halves:
                return Probe(Found.PARTIAL, f"{step.part} of {step.address} is half done")
            if self._is_there(thing, step.part, step.after):
                return Probe(Found.DONE)
            if self._is_there(thing, step.part, step.before):
                return Probe(Found.NOT_STARTED)
            return Probe(Found.CONTRADICTED, f"{step.part} of {step.address} is {thing.parts.get(step.part)}")

    def _probe_move(self, work: Work) -> Probe:
        origin, target = (self.machines.things.get((work.stack, end["address"])) for end in (work.step.before, work.step.after))
        there = (origin is not None and bool(origin.parts), target is not None and bool(target.parts))
        return Probe({(True, False): Found.NOT_STARTED, (False, True): Found.DONE}.get(there, Found.CONTRADICTED))

    def tombstones(self) -> list[Tombstone]:
        with self._lock:
            # Deleted today, whatever day it is on the clock of the model.
            return [
                Tombstone(grave.identity, StackName(grave.stack), Address(grave.address), grave.body["size"], time.time())
                for grave in self.machines.graves
            ]

    def drop_tombstone(self, key: str) -> bool:
        with self._lock:
            found = [grave for grave in self.machines.graves if grave.identity == key]
            self.machines.graves = [grave for grave in self.machines.graves if grave not in found]
            return bool(found)

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        with self._lock:
            wanted = None if stacks is None else set(stacks)
            things: dict[StackName, dict[Address, Thing]] = {}
            images: dict[str, int] = {}
            for (stack, address), thing in sorted(self.machines.things.items()):
                if not (thing.parts or thing.halves) or (wanted is not None and stack not in wanted):
                    continue
                name, place = StackName(stack), Address(address)
                things.setdefault(name, {})[place] = Thing(
                    name, place, thing.provider, dict(thing.parts), thing.lineage,
                    halves={part: body for part, (body, _) in thing.halves.items() if part not in thing.parts},
                )  # fmt: skip
                if "image" in thing.parts:
                    images[thing.parts["image"]["source"]] = 64 * 1024**2
            return Observed(things=things, images=images, tombstones=self.machines.buried())


def _plain(part: Any) -> Any:
    """Make lists of tuples: a plan in memory holds either."""
    if isinstance(part, Mapping):
        return {key: _plain(value) for key, value in part.items()}
    return [_plain(one) for one in part] if isinstance(part, (list, tuple)) else part
