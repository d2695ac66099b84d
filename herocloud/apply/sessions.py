"""One apply from its first step to its last entry, for an execution, a resume or a rollback.

A session holds what those have in common (the open drivers, the journal's memory of the records, the clock), walks a set of steps forward
or back, and writes how the apply ended.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from herocloud.apply import entries, handover, inspection, rollback
from herocloud.apply.coordinator import Runner
from herocloud.apply.directions import Backward, Closing, Forward, Way
from herocloud.apply.entries import Journal
from herocloud.apply.listener import Listener
from herocloud.apply.rollback import ListKept
from herocloud.apply.schedule import Ended, Walk
from herocloud.apply.steering import Clock, Interrupts, Options
from herocloud.apply.workers import Attempt
from herocloud.kits import faults
from herocloud.model.applies import apply_id
from herocloud.model.errors import HerocloudError
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event, Outcome, Result, SummaryData
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, STATE_PROVIDER, Step
from herocloud.model.words import Action, Status
from herocloud.model.worlds import Record
from herocloud.providers.seam import Driver, Found, Work
from herocloud.state.store import Did, Store

Drivers = Callable[[str, str], Driver]
"""Gives the driver of a provider in a role."""

_ENOUGH = 200
"""Steps of an apply from which its own time for each is learnt: fewer do not share what a turn of the journal costs."""


class Opened:
    """The drivers that some steps need, all opened before the first of them runs. The caller closes them."""

    def __init__(self, steps: Iterable[Step], drivers: Drivers) -> None:
        """Open them; what one of them raises is raised here, while nothing has changed yet."""
        pairs = dict.fromkeys((step.provider, KINDS[step.kind].role) for step in steps if step.provider != STATE_PROVIDER)
        self._drivers = {pair: drivers(*pair) for pair in pairs}

    def of(self, step: Step) -> Driver:
        """Return the driver that performs a step."""
        return self._drivers[(step.provider, KINDS[step.kind].role)]


class Session:
    """An apply that has begun."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        number: int,
        opened: Opened,
        *,
        records: Mapping[Address, Record],
        originals: Callable[[], Mapping[Address, Record]],
        begun: Iterable[Step] = (),
        earlier: Iterable[StepId] = (),
        options: Options,
        tell: Callable[[Event], None],
        clock: Clock,
        interrupts: Interrupts,
    ) -> None:
        """Continue from `records`; `originals` gives those from before the apply, and is asked only if it is taken back.

        `begun` are the steps that an earlier run began, `earlier` those that it had done.
        """
        self.plan = plan
        self.options = options
        self.voice = Listener(tell, apply_id(number))
        self._store = store
        self._serial = store.serial
        self._number = number
        self._opened = opened
        begun = list(begun)
        self._journal = Journal(plan, records, originals, {step.address for step in begun})
        self._clock = clock
        self.interrupts = interrupts
        self._began = clock.elapsed()
        self._busy = 0.0
        self._begun = frozenset(step.address for step in begun if not KINDS[step.kind].prepares)
        self._earlier = frozenset(earlier)
        self._lost: frozenset[StepId] = frozenset()
        """Steps that destroyed data for good, as the way back found it."""

    def forward(self, steps: Sequence[Step], *, unknown: Collection[StepId] = (), broken: Mapping[StepId, str] | None = None) -> Ended:
        """Perform steps. The ends of `unknown` ones are asked of the world first; `broken` ones fail for the reason given."""
        heals = [step.id for step in steps if KINDS[step.kind].heals]
        walk = Walk(steps, {step.id: step.needs for step in steps}, self.options.parallelism, unknown, heals)
        return self._run(walk, Forward(self._journal, unknown), on_failure=self.options.on_failure or "stop", broken=broken)

    def back(self, states: Mapping[StepId, str], *, stuck: Collection[StepId] = (), kept: ListKept | None = None) -> Ended:
        """Take back everything that was begun and can be, newest first: a step only after everything that needed it.

        Steps in `stuck` have a provider that does not answer, so it is not asked how far they came.
        """
        states = rollback.without_relied_on(self.plan, states, self._store.recorded())
        # Of all that is under way, only this decides what cannot come back; the rest is asked in turn, by workers that may be given up.
        asked = [step for step in inspection.open_steps(self.plan, states) if KINDS[step.kind].destroys_data and step.id not in stuck]
        grown = [step for step in rollback.grown_steps(self.plan, states) if step.id not in stuck]
        looks = inspection.look_at([*asked, *grown], self.plan, self._opened.of, self._store.lineage)
        lost = rollback.find_lost(self.plan, apply_id(self._number), states, looks, purged=self.plan.purge, kept=kept)
        self._lost = frozenset(lost)
        self._finish_removals([step for step in asked if step.id in lost and looks[step.id].found is Found.PARTIAL])
        self._write_off([step for step in asked if step.id in lost and states[step.id] != "undoing"])
        way_back = rollback.walk(self.plan, states, looks, lost)
        self._journal.prepare_undo(way_back.steps)
        way = Backward(self._journal, way_back.unknown)
        # One step that cannot be taken back must not keep the others: the nearer to the start, the better.
        heals = [step.id for step in way_back.steps if KINDS[KINDS[step.kind].inverse].heals]
        walk = Walk(way_back.steps, way_back.needs, self.options.parallelism, (), heals)
        return self._run(walk, way, on_failure="continue", broken=way_back.broken)

    def _finish_removals(self, steps: Iterable[Step]) -> None:
        """Remove what is left of data that was destroyed before its removal was cut off; what resists stays to be seen."""
        for step in steps:
            with contextlib.suppress(HerocloudError):
                self._opened.of(step).perform(self._work(step, lambda: False, lambda _text, _share: None))

    def _write_off(self, steps: Iterable[Step]) -> None:
        """Record of steps whose end nobody journalled that their data is gone: nothing on the way back brings it into the record again."""
        now = self._clock.now()
        gone = [self._journal.done(step, step.after, now, 0) for step in steps if step.after is None]
        if gone:
            self._store.commit(self._number, gone)

    def reached(self) -> Mapping[StepId, str]:
        """Return how far each step came, of those that were begun."""
        unfinished = self._store.unfinished(self._number)
        return {} if unfinished is None else unfinished.states

    def close_open_steps(self, states: Mapping[StepId, str], *, keeps: bool) -> Ended:
        """Bring what is under way to an end before something else removes all of it, and make nothing.

        What was being made or booted is taken back, what is half removed is removed. Everything else stays as it is. An apply that was
        being taken back goes on being that. Where what comes next `keeps` data, data that was about to be destroyed and is still there is
        left to it.
        """
        under_way = inspection.open_steps(self.plan, states)
        looks = inspection.look_at(under_way, self.plan, self._opened.of, self._store.lineage)
        making = inspection.making(under_way)
        going = [step for step in under_way if step.after is None and looks[step.id].found in (Found.PARTIAL, Found.DONE)]
        if keeps and self.plan.purge:
            spared = [step for step in going if _can_be_spared(step, looks[step.id])]
            making += spared[::-1]
            going = [step for step in going if step not in spared]
        ended = self.forward(going, unknown=[step.id for step in going])
        if ended.interrupted or ended.at_once:
            return ended
        # All that was begun counts, so that no record is put back as it was before while parts of its thing are left.
        self._journal.prepare_undo(rollback.begun_steps(self.plan, states))
        way = Backward(self._journal, {step.id for step in making}) if entries.going_back(states) else Closing(self._journal, making)
        back = self._run(Walk(making, {}, self.options.parallelism), way, on_failure="continue")
        return back._replace(outcomes=(*ended.outcomes, *back.outcomes))

    def _run(self, walk: Walk, way: Way, *, on_failure: str, broken: Mapping[StepId, str] | None = None) -> Ended:
        runner = Runner(
            walk,
            way,
            driver_of=self._opened.of,
            work_of=self._work_of,
            write=functools.partial(self._store.commit, self._number),
            options=self.options,
            voice=self.voice,
            clock=self._clock,
            interrupts=self.interrupts,
            began=self._began,
            on_failure=on_failure,
            begun=self._begun,
        )
        ended = runner.run(broken)
        self._busy += ended.busy
        return ended

    def _work_of(self, attempt: Attempt) -> Work:
        return self._work(attempt.step, attempt.is_stopped, attempt.progress)

    def _work(self, step: Step, cancelled: Callable[[], bool], progress: Callable[[str, float | None], None]) -> Work:
        plan = self.plan
        change = self._journal.change_of(step)
        spec = handover.spec_for(step, change)
        shutdown = self.options.shutdown
        work = Work(
            step,
            plan.stack,
            spec,
            self._store.lineage,
            plan.id,
            plan.purge,
            shutdown,
            cancelled,
            progress,
            serial=self._serial,
            apply=apply_id(self._number),
            before=change.before or {},
            held=self._journal.held_since(step),
        )
        return handover.supply(work, self._journal.record_of(step), self._journal.records, self._store.folder)

    def finish(self, outcomes: Sequence[Outcome], *, status: str | None, notes: Sequence[str] = (), back: bool = False) -> Result:
        """Write how the apply ended (`back`: while it was taken back), and say it.

        Without a status nothing is written: the second interrupt leaves all as it is.
        """
        if status is not None:
            faults.reached("apply.finish.before")
            providers = {step.id: step.provider for step in self.plan.steps}
            did = _count(self.plan, outcomes, self._earlier | self._lost)
            own = self._busy / len(outcomes) if len(outcomes) >= _ENOUGH else 0.0
            self._store.finish(self._number, status, self._clock.now(), did, providers, own)
            faults.reached("apply.finish.after")
        result = Result(
            plan=self.plan.id,
            outcomes=tuple(outcomes),
            seconds=self._clock.elapsed() - self._began,
            interrupted=status in (None, "interrupted"),
            rolled_back=status == "rolled back",
            notes=tuple(notes),
            went_back=back,
            earlier=self._earlier,
            apply=apply_id(self._number),
        )
        data: SummaryData = {
            "done": result.tally(Status.DONE),
            "failed": result.tally(Status.FAILED),
            "skipped": result.tally(Status.SKIPPED),
            "cancelled": result.tally(Status.CANCELLED),
            "undone": result.tally(Status.UNDONE),
            "status": status or "stopped at once",
            "plan": self.plan.id,
        }
        self.voice.say(Event("summary", seconds=result.seconds, detail=status or "stopped at once", data=data))
        return result


def _can_be_spared(step: Step, look: rollback.Look) -> bool:
    """Return whether a step that destroys data has begun and not destroyed it yet."""
    return KINDS[step.kind].destroys_data and look.found is Found.PARTIAL and not look.lost


def _count(plan: Plan, outcomes: Iterable[Outcome], earlier: Collection[StepId]) -> Did:
    """Count what the apply changed, over all of its runs.

    What was destroyed counts although the rest of its change failed, or was not taken back: the log is where somebody looks for it. Where
    something was made in its place it counts as replaced, or else it would seem to be gone.
    """
    done, back = set(earlier), set()
    for outcome in outcomes:
        if outcome.status is Status.DONE:
            done.add(outcome.step)
        elif outcome.status is Status.UNDONE:
            done.discard(outcome.step)
            back.add(outcome.address)
    complete = {step.address for step in plan.steps if step.last and step.id in done}
    counts = Counter(_EFFECTS.get(change.action, "changed") for change in plan.changing if change.address in complete)
    gone = {step.address for step in plan.steps if step.id in done and (KINDS[step.kind].destroys_data or step.kind == "vm.delete")}
    in_part = [change for change in plan.changing if change.address in gone - complete and change.action in _DESTROYING]
    again = _made_again(plan, done)
    replaced = counts["replaced"] + sum(1 for change in in_part if change.action is Action.REPLACE and change.address in again)
    more = len(in_part) - (replaced - counts["replaced"])
    return Did(counts["added"] + replaced, counts["changed"], counts["destroyed"] + replaced + more, len(back), replaced)


def _made_again(plan: Plan, done: Collection[StepId]) -> set[Address]:
    """Return the addresses at which a machine, or what else was destroyed, was made once more."""
    last = {(step.address, step.part): step for step in plan.steps if step.id in done}
    made = (step for step in last.values() if step.before is None and step.after is not None)
    return {step.address for step in made if step.part in _BODIES}


_DESTROYING = (Action.DELETE, Action.REPLACE)
_BODIES = ("machine", "volume", "network", "image")
_EFFECTS = {
    Action.CREATE: "added",
    Action.DELETE: "destroyed",
    Action.REPLACE: "replaced",
}
"""What is none of these was changed."""
