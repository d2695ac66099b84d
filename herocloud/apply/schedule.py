"""Which step may run next: the graph of the steps, their lanes, and what a failure skips.

Of the steps that are ready, those of the change that comes first in the plan start first: begun changes are finished before new ones
are begun, so that a crash or a failure leaves as few half-made things as possible. First come, first served would have every VM of a
large stack half-made at once.
"""

import graphlib
import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import edges
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Outcome
from herocloud.model.steps import KINDS, LANES, Step

_URGENT = -1
"""The rank before that of every change."""


class Ended(NamedTuple):
    """How a walk ended."""

    outcomes: tuple[Outcome, ...]
    interrupted: bool
    """True when steps are left that would have run."""
    at_once: bool
    """True when the second interrupt came: nothing more may be written."""
    stuck: tuple[StepId, ...]
    """Steps whose provider had not answered when nobody waited any longer."""
    notes: tuple[str, ...] = ()
    """What there is to say of the walk besides how each step ended."""
    busy: float = 0.0
    """For how many seconds it was not waiting for any step: what it takes by itself to write its journal and to hand out work."""


class Walk:
    """One way through the graph. `needs` may differ from the steps' own: a rollback walks against the arrows."""

    def __init__(
        self,
        steps: Sequence[Step],
        needs: Mapping[StepId, Iterable[StepId]],
        parallelism: int,
        urgent: Collection[StepId] = (),
        heals: Collection[StepId] = (),
    ) -> None:
        """Prepare the walk; needs on steps that are not part of it count as met. Steps in `urgent` go before all others.

        Steps in `heals` run when what they need has ended, whether or not it went well.
        """
        self._steps = steps
        self._position = {step.id: position for position, step in enumerate(steps)}
        self._needs = {step.id: [need for need in needs.get(step.id, ()) if need in self._position] for step in steps}
        self._graph: graphlib.TopologicalSorter[StepId] = graphlib.TopologicalSorter(self._needs)
        self._graph.prepare()
        ranks: dict[str, int] = {}
        self._rank = [_URGENT if step.id in urgent else ranks.setdefault(step.address, len(ranks)) for step in steps]
        self._ready: dict[str, list[tuple[int, int]]] = {}
        self._running: dict[str, int] = {}
        self._total_running = 0
        self._parallelism = max(1, parallelism)
        self._left = set(self._position)
        self._heals = frozenset(heals)
        self._handed: set[StepId] = set()
        """What the graph has handed out as ready."""
        self._busy: set[StepId] = set()
        self._begun: set[Address] = set()
        self._dependants: dict[StepId, list[StepId]] | None = None
        self._only: set[Address] | None = None
        """Where steps may still start; everywhere until the walk is halted."""
        self._admit()

    def _admit(self) -> None:
        while ready := self._graph.get_ready():
            for step in ready:
                self._handed.add(step)
                position = self._position[step]
                if step not in self._left:
                    # It was given up; what heals is all that still waits behind it.
                    self._graph.done(step)
                elif self._may_start(position):
                    lane = KINDS[self._steps[position].kind].lane
                    heapq.heappush(self._ready.setdefault(lane, []), (self._rank[position], position))

    def _may_start(self, position: int) -> bool:
        return self._only is None or self._rank[position] == _URGENT or self._steps[position].address in self._only

    def halt(self, begun: Collection[Address]) -> list[Address]:
        """Begin no other change from now on. Those in `begun` are carried to their end, and what they need with them; urgent steps run.

        Returns what they need, in the order of the plan.
        """
        self._only = set(begun)
        frontier = list(self._only)
        by_address: dict[Address, list[StepId]] = {}
        for step in self._left:
            by_address.setdefault(self._steps[self._position[step]].address, []).append(step)
        while frontier:
            for step in by_address.get(frontier.pop(), ()):
                for need in self._needs[step]:
                    address = self._steps[self._position[need]].address
                    if need in self._left and address not in self._only:
                        self._only.add(address)
                        frontier.append(address)
        for lane, waiting in self._ready.items():
            self._ready[lane] = [entry for entry in waiting if self._may_start(entry[1])]
            heapq.heapify(self._ready[lane])
        return list(dict.fromkeys(step.address for step in self.rest() if step.address in self._only - set(begun)))

    def carried_for(self, wanted: Iterable[Address], begun: Collection[Address]) -> dict[Address, list[Address]]:
        """Return for each of these addresses those of `begun` that wait for a step of it, directly or through others, in plan order."""
        address_of = {step: self._steps[self._position[step]].address for step in self._left}
        needs: dict[Address, set[Address]] = {}
        for step, address in address_of.items():
            needs.setdefault(address, set()).update(address_of[need] for need in self._needs[step] if need in address_of)
        order = dict.fromkeys(step.address for step in self._steps if step.address in begun)
        reached = {address: edges.follow(needs.get(address, ()), needs) for address in order}
        return {address: [carried for carried in order if address in reached[carried]] for address in wanted}

    def take(self) -> list[Step]:
        """Return the steps that may start now, and count them as running."""
        taken = []
        while self._total_running < self._parallelism:
            open_lanes = [
                (waiting[0], lane) for lane, waiting in self._ready.items() if waiting and self._running.get(lane, 0) < LANES.get(lane, 1)
            ]
            if not open_lanes:
                break
            (_, position), lane = min(open_lanes)
            heapq.heappop(self._ready[lane])
            step = self._steps[position]
            if step.id in self._left:
                self._occupy(step)
                taken.append(step)
        return taken

    def take_healing(self) -> list[Step]:
        """Return what heals and waits for nothing that still runs: all that starts once an apply is interrupted."""
        taken = [
            self._steps[self._position[step]]
            for step in sorted(self._heals & self._left - self._busy, key=self._position.__getitem__)
            if self._busy.isdisjoint(self._needs[step]) and self._steps[self._position[step]].address in self._begun
        ]
        for step in taken:
            self._occupy(step)
        return taken

    def _occupy(self, step: Step) -> None:
        lane = KINDS[step.kind].lane
        self._running[lane] = self._running.get(lane, 0) + 1
        self._total_running += 1
        self._busy.add(step.id)
        self._begun.add(step.address)

    def _release(self, step: Step) -> None:
        self._running[KINDS[step.kind].lane] -= 1
        self._total_running -= 1
        self._busy.discard(step.id)

    def complete(self, step: Step) -> None:
        """Note that a running step is done: what needs it may become ready."""
        self._release(step)
        self._left.discard(step.id)
        self._pass(step)

    def _pass(self, step: Step) -> None:
        """Free the steps that wait for this one; a healing step that ran early after an interrupt has none."""
        if step.id in self._handed:
            self._graph.done(step.id)
            self._admit()

    def fail(self, step: Step) -> list[Step]:
        """Note that a running step will not be done, and return everything behind it that therefore never runs."""
        self._release(step)
        skipped = self.give_up(step)
        if self._heals:
            self._pass(step)
        return skipped

    def give_up(self, step: Step) -> list[Step]:
        """Take out a step that is not running, and everything that needs it; returns the latter in the order of the plan."""
        self._left.discard(step.id)
        if self._dependants is None:
            self._dependants = edges.turn(self._needs)
        skipped, frontier = [], [step.id]
        while frontier:
            for dependant in self._dependants.get(frontier.pop(), ()):
                if dependant in self._left and dependant not in self._heals:
                    self._left.discard(dependant)
                    skipped.append(dependant)
                    frontier.append(dependant)
        return [self._steps[position] for position in sorted(self._position[dependant] for dependant in skipped)]

    def abandon(self, step: Step) -> None:
        """Note that nobody waits for a running step any more; it stays unresolved."""
        self._release(step)
        self._left.discard(step.id)

    def rest(self) -> list[Step]:
        """Return the steps that neither ended nor were given up, in the order of the plan."""
        return [self._steps[position] for position in sorted(self._position[step] for step in self._left)]
