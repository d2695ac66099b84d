"""An apply that has ended, as what is taken back."""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.model import makers
from herocloud.model.applies import apply_id
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, Step
from herocloud.model.worlds import Record
from herocloud.providers.seam import Found

Records = Mapping[Address, Record]


class Past(NamedTuple):
    """A finished apply, with the records of its stack around it."""

    apply: int
    """Its number in the state."""
    plan: Plan
    states: Mapping[StepId, str]
    """How far each step got."""
    before: Records
    after: Records
    now: Records
    came: Mapping[StepId, Found] = {}
    """What the world shows of steps of which the journal does not know how far they came. One that nobody could ask is not there."""

    @property
    def done(self) -> list[Step]:
        """Return the steps that were done, in the order of the plan."""
        return [step for step in self.plan.steps if self.states.get(step.id) == "done"]

    def marked(self, step: Step) -> Step:
        """Return a step that took data away with the name of its tombstone, which goes on to the step that takes it back."""
        destroys = KINDS[step.kind].destroys_data
        return step._replace(tombstone=makers.maker_of(step, self.plan.id, apply_id(self.apply))) if destroys else step
