"""Looking at an apply that did not end: what is left of it, and what its open steps have come to. Nothing is changed."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from herocloud.apply import handover
from herocloud.apply.entries import IN_FLIGHT
from herocloud.apply.rollback import Look
from herocloud.kits import jsons
from herocloud.model.applies import Pending
from herocloud.model.errors import HerocloudError
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import KINDS, STATE_PROVIDER, Step, exchanges_data
from herocloud.model.words import Approval
from herocloud.providers.seam import Driver, Found, Work


class Seen(NamedTuple):
    """How far a step has come of which the journal knows only that it was begun."""

    step: Step
    found: str
    """`done`, `not started`, `half done`, `something else`, or `unknown` where nobody could be asked."""
    detail: str = ""


class Left(NamedTuple):
    """One change that is not complete, or that with a rollback is not taken back yet."""

    change: Change
    classes: tuple[Approval, ...]
    steps: int
    """How many of its steps are left."""
    begun: bool
    lost: bool = False
    """Its data is gone for good, so it cannot be taken back."""
    because: tuple[Address, ...] = ()
    """What else cannot be taken back, and keeps some steps of this change from it."""
    snapshots: tuple[str, ...] = ()
    """The names of its snapshots that are gone for good: it comes back without them."""
    size_stays: str = ""
    """Why its disk does not get its earlier size back."""

    @property
    def comes_back(self) -> bool:
        """Return whether a rollback takes it back as a whole."""
        return not self.lost and not self.because and not self.snapshots and not self.size_stays


class Rest(NamedTuple):
    """What is left of an apply that did not end."""

    pending: Pending
    plan: Plan
    rollback: bool
    """Whether it would be taken back."""
    left: tuple[Left, ...]
    seen: tuple[Seen, ...]
    """The steps of which the journal does not know the end, as the world shows them."""
    done: int
    """How many steps are done."""
    turned: bool = False
    """Whether it cannot be finished any more: taking it back has begun, or a VM went on before its copies were made."""
    gone: tuple[Address, ...] = ()
    """Whose deleted data it was to bring back and nobody keeps any more, so that it cannot be finished either."""

    @property
    def sign(self) -> str:
        """Return what differs between two looks that are to be approved apart."""
        rows = [
            (
                *(one.change.address, one.change.action.value, [needed.value for needed in one.classes]),
                *(one.steps, one.begun, one.lost, one.because, one.snapshots, one.size_stays),
            )
            for one in self.left
        ]
        return jsons.digest([self.rollback, rows])

    @property
    def all_lost(self) -> bool:
        """Return whether nothing of what is left can be taken back."""
        return self.rollback and bool(self.left) and not any(left.steps or left.comes_back for left in self.left)

    def missing(self, approved: Collection[Approval]) -> dict[Approval, list[Change]]:
        """Return what is not approved, by the class that is missing, mildest first."""
        changes: dict[Approval, list[Change]] = {}
        for one in self.left:
            for needed in one.classes:
                if needed not in approved:
                    changes.setdefault(needed, []).append(one.change)
        return {approval: changes[approval] for approval in Approval if approval in changes}


_WORDS = {Found.DONE: "done", Found.NOT_STARTED: "not started", Found.PARTIAL: "half done", Found.CONTRADICTED: "something else"}


def left_steps(plan: Plan, states: Mapping[StepId, str]) -> list[Step]:
    """Return the steps that are still to be done."""
    return [step for step in plan.steps if states.get(step.id) != "done"]


def open_steps(plan: Plan, states: Mapping[StepId, str]) -> list[Step]:
    """Return each step that was begun and not seen to end."""
    return [step for step in plan.steps if states.get(step.id) in IN_FLIGHT and step.provider != STATE_PROVIDER]


def making(steps: Iterable[Step]) -> list[Step]:
    """Return which of these steps make or boot something, newest first: they are taken back where an apply is closed."""
    return [step for step in list(steps)[::-1] if KINDS[step.kind].boots or (step.before is None and step.after is not None)]


def look_at(steps: Iterable[Step], plan: Plan, driver_of: Callable[[Step], Driver], lineage: str) -> dict[StepId, Look]:
    """Ask the world how far each of these steps came."""
    changes = {change.address: change for change in plan.changing}
    looks = {}
    for step in steps:
        spec = handover.spec_for(step, changes[step.address])
        work = Work(step, plan.stack, spec, lineage, plan.id, plan.purge, None, lambda: False, lambda _text, _share: None)
        try:
            answer = driver_of(step).probe(work)
        except HerocloudError as error:
            looks[step.id] = Look(None, str(error))
        else:
            looks[step.id] = Look(answer.found, answer.detail or "", answer.lost, answer.stays)
    return looks


def look_back(plan: Plan, states: Mapping[StepId, str], driver_of: Callable[[Step], Driver], lineage: str) -> dict[StepId, Found]:
    """Return how far the steps of an apply that has ended came, where only the world knows; what cannot be asked is left out."""
    asked = [step for step in open_steps(plan, states) if not KINDS[step.kind].passes]
    exchanged = [step.id for step in asked if exchanges_data(step.kind)]
    turned = set(exchanged) if plan.operation == "undo" else set()
    # What is its own inverse looks the same from both sides, so the world is asked about the step that was taken back.
    own = [step._replace(before=step.after, after=step.before) if step.id in turned else step for step in asked]
    found = {step: look.found for step, look in look_at(own, plan, driver_of, lineage).items() if look.found is not None}
    other = {Found.DONE: Found.NOT_STARTED, Found.NOT_STARTED: Found.DONE}
    return {step: other.get(came, came) if step in turned else came for step, came in found.items()}


def say_seen(steps: Iterable[Step], looks: Mapping[StepId, Look]) -> tuple[Seen, ...]:
    """Put what the world shows of these steps into words."""
    found = ((step, looks[step.id]) for step in steps)
    return tuple(Seen(step, _WORDS[look.found] if look.found is not None else "unknown", look.detail) for step, look in found)
