"""The two ways through the steps of a plan: forward by performing, backward by undoing.

The runner walks a graph and does not know what a step means; a way says what a worker calls and what the journal gets. Both ways may have
steps of which nobody knows how far they got, and ask the world about those before they touch anything.

A test may make the process die, fail or stall at fault points on these ways. Their names are published as data, so that the crash campaign
aims at every one of them without a copy that can fall behind. A point is always reached twice, plain and with the kind of step behind it
(`apply.perform.after` and `apply.perform.after:vm.boot`), which lets a rule mean either the nth step of all or the nth of one kind.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Protocol

from herocloud.apply.entries import Journal
from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.ids import StepId
from herocloud.model.outcomes import EventData
from herocloud.model.steps import KINDS, Step
from herocloud.model.words import Status
from herocloud.plan import lost_data
from herocloud.providers.seam import Driver, Found, Work
from herocloud.state.store import Entry

STEP_POINTS = (
    "apply.intent.before",
    "apply.intent.after",
    "apply.perform.before",
    "apply.perform.after",
    "apply.outcome.before",
    "apply.outcome.after",
)
"""Around each step on the way forward: journalling its intent, performing it, journalling its outcome."""

BACK_POINTS = (
    "back.intent.before",
    "back.intent.after",
    "back.undo.before",
    "back.undo.after",
    "back.outcome.before",
    "back.outcome.after",
)
"""The same around each step that a rollback takes back."""

RESUME_POINTS = ("resume.probe.before", "resume.probe.after")
"""Around asking the world how far a step got."""

WHOLE_POINTS = (
    "apply.begin.before",
    "apply.begin.after",
    "apply.finish.before",
    "apply.finish.after",
    "resume.begin",
    "resume.finish.before",
    "resume.finish.after",
)
"""Once in each apply or resume."""


def reached(name: str, kind: str) -> None:
    """Tell that a step of this kind is at the point `name`."""
    faults.reached(name)
    faults.reached(f"{name}:{kind}")


class Way(Protocol):
    """What the runner asks of a direction."""

    name: str
    """`apply` or `back`: the first word of its fault points."""
    ended: Status
    """What a step is when it went well."""

    def act(self, driver: Driver, work: Work) -> Part:
        """Do the work of one step, in a worker thread."""
        ...

    def record(self, step: Step) -> Part:
        """Do the work of a step that touches records only, in the coordinator."""
        ...

    def intent(self, step: Step, at: float) -> Entry:
        """Return the entry that must be durable before the step acts."""
        ...

    def told(self, step: Step) -> EventData | None:
        """Return what listeners get to know of a step that went well, beside that it did."""
        ...

    def done(self, step: Step, result: Part, at: float, seconds: float) -> Entry:
        """Return the entry of a step that went well."""
        ...

    def failed(self, step: Step, why: str, at: float, seconds: float) -> Entry:
        """Return the entry of a step that failed."""
        ...

    def skipped(self, step: Step, because: str, at: float) -> Entry | None:
        """Return the entry of a step that never ran, if the journal wants one."""
        ...

    def cancelled(self, step: Step, why: str, at: float, seconds: float) -> Entry | None:
        """Return the entry of a step that gave up when it was asked to, if the journal wants one."""
        ...


class Forward:
    """Performing the steps of a plan; `unknown` are those that an earlier run began and whose end it did not see."""

    name = "apply"
    ended = Status.DONE

    def __init__(self, journal: Journal, unknown: Collection[StepId] = ()) -> None:
        """Write through `journal`."""
        self._journal = journal
        self._unknown = unknown

    def act(self, driver: Driver, work: Work) -> Part:
        """Perform the step, unless the world shows that it is done."""
        step = work.step
        original = self._journal.taken_back_by(step)
        if step.id in self._unknown:
            # What is its own inverse looks the same from both sides, so the world is asked about the step that is taken back.
            own = original is not None and original.kind == step.kind
            found = probe(driver, work._replace(step=original) if original is not None and own else work)
            if found is (Found.NOT_STARTED if own else Found.DONE):
                return step.after
        reached("apply.perform.before", step.kind)
        if original is None:
            result = driver.perform(work)
        else:
            driver.undo(work._replace(step=original))
            result = step.after
        reached("apply.perform.after", step.kind)
        return result

    def record(self, step: Step) -> Part:
        """Return what a step on records makes; the journal's entry does the rest."""
        return step.after

    def told(self, step: Step) -> EventData | None:  # noqa: ARG002  (a way has one shape)
        """Tell nothing more; the plan says which step is the last of its address."""
        return None

    def intent(self, step: Step, at: float) -> Entry:
        """Journal that the step is about to run."""
        return self._journal.intent(step, at)

    def done(self, step: Step, result: Part, at: float, seconds: float) -> Entry:
        """Journal that the step is done."""
        return self._journal.done(step, result, at, seconds)

    def failed(self, step: Step, why: str, at: float, seconds: float) -> Entry:
        """Journal that the step failed; its part stays as recorded, because nobody knows better."""
        return Entry(step.id, "failed", at, why, seconds)

    def skipped(self, step: Step, because: str, at: float) -> Entry | None:
        """Journal what the step waited for in vain, or why else it was not started."""
        return Entry(step.id, "skipped", at, because)

    def cancelled(self, step: Step, why: str, at: float, seconds: float) -> Entry | None:
        """Journal that the step gave up half-way."""
        return Entry(step.id, "cancelled", at, why, seconds)


class Backward:
    """Taking steps back; `unknown` are those that may or may not have happened."""

    name = "back"
    ended = Status.UNDONE

    def __init__(self, journal: Journal, unknown: Collection[StepId]) -> None:
        """Write through `journal`."""
        self._journal = journal
        self._unknown = unknown

    def act(self, driver: Driver, work: Work) -> Part:
        """Undo the step, unless the world shows that it never began."""
        step = work.step
        if KINDS[step.kind].passes:
            # It leaves nothing to take back, and what it removed was of no use.
            return step.before
        original = self._journal.taken_back_by(step)
        own = original is not None and original.kind == step.kind
        if step.id in self._unknown:
            found = probe(driver, work._replace(step=original) if original is not None and own else work)
            if found is (Found.DONE if own else Found.NOT_STARTED):
                return step.before
        reached("back.undo.before", step.kind)
        if lost_data.is_lost(step, purged=work.purge) and probe(driver, work) is Found.DONE:
            # An older tombstone under the same path holds other data, and must not come back in place of what was destroyed.
            raise Permanent(f"the data that `{step.id}` destroyed is gone for good")
        if original is None:
            driver.undo(work)
        else:
            # What had come back is kept again, whatever the apply was allowed to destroy: it was there before.
            driver.perform(work._replace(step=original, purge=False))
        reached("back.undo.after", step.kind)
        return step.before

    def record(self, step: Step) -> Part:
        """Return what a step on records leaves behind when it is taken back."""
        return step.before

    def told(self, step: Step) -> EventData | None:
        """Tell how many steps of the address are still to be taken back; which of them were begun, no plan says."""
        return {"left": self._journal.left_to_undo(step)}

    def intent(self, step: Step, at: float) -> Entry:
        """Journal that the step is about to be taken back: from here on a resume goes backwards."""
        return self._journal.undoing(step, at)

    def done(self, step: Step, result: Part, at: float, seconds: float) -> Entry:  # noqa: ARG002  (the journal knows the original)
        """Journal that the step is taken back."""
        return self._journal.undone(step, at, seconds)

    def failed(self, step: Step, why: str, at: float, seconds: float) -> Entry:
        """Journal why it could not be taken back; its state stays, so that a resume knows that it is going backwards."""
        return self._journal.not_undone(step, at, seconds, why)

    def skipped(self, step: Step, because: str, at: float) -> Entry | None:  # noqa: ARG002  (a way has one shape)
        """Journal nothing: the step is as done as it was."""
        return None

    def cancelled(self, step: Step, why: str, at: float, seconds: float) -> Entry | None:  # noqa: ARG002  (a way has one shape)
        """Journal nothing: it is still being taken back."""
        return None


class Closing(Backward):
    """Taking back what is under way, so that something else can remove the rest. It is not a rollback, and must not look like one.

    Cut off, it leaves the apply as unfinished as it was: a step that was being taken back may or may not have happened, and one that is
    taken back was never started. So the apply can still be finished, taken back, or closed once more.
    """

    def __init__(self, journal: Journal, steps: Iterable[Step]) -> None:
        """Take back these steps, which may or may not have happened."""
        under_way = {step.id: step.address for step in steps}
        super().__init__(journal, under_way.keys())
        self._left = Counter(under_way.values())

    def told(self, step: Step) -> EventData | None:
        """Tell how many steps of the address are still to be taken back, which are not all that were begun."""
        return {"left": self._left[step.address]}

    def intent(self, step: Step, at: float) -> Entry:
        """Journal that only the world can tell from here on how far the step is."""
        return self._journal.undoing(step, at, "cancelled", _CLOSING)

    def done(self, step: Step, result: Part, at: float, seconds: float) -> Entry:  # noqa: ARG002  (the journal knows the original)
        """Journal that nothing of the step is there any more."""
        self._left[step.address] -= 1
        return self._journal.undone(step, at, seconds, "skipped", _CLOSING)

    def failed(self, step: Step, why: str, at: float, seconds: float) -> Entry:
        """Journal why it could not be taken back."""
        return Entry(step.id, "failed", at, why, seconds)


_CLOSING = "taken back to close the apply"


def probe(driver: Driver, work: Work) -> Found:
    """Ask the world how far a step got; what is neither its before nor its after is never touched."""
    kind = work.step.kind
    reached("resume.probe.before", kind)
    answer = driver.probe(work)
    reached("resume.probe.after", kind)
    if answer.found is Found.CONTRADICTED:
        detail = answer.detail or "no details"
        raise Conflict(f"the host matches neither the state before nor after this step: {detail}. Nothing was touched")
    return answer.found
