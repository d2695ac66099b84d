"""What an apply removed although its journal does not say that this came to a good end, and how an undo knows of it.

A removal that failed may have come about all the same, and one that a rollback could not take back has. What is not there any more has to
come back out of its tombstone like everything that was removed in good order, and where there is none it is gone for good.
"""

from collections.abc import Mapping

from herocloud.model.applies import ENDED
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Plan
from herocloud.model.steps import BESIDE, KINDS, STATE_PROVIDER, Step
from herocloud.model.worlds import Observed


def begun(plan: Plan, states: Mapping[StepId, str], observed: Observed | None) -> dict[StepId, Step]:
    """Return the steps of a plan that has run which did not end well and whose part is gone."""
    if observed is None:
        return {}
    things = observed.things.get(plan.stack, {})
    names = _names(plan, states)
    found: dict[StepId, Step] = {}
    for step in plan.steps:
        if states.get(step.id) in ENDED or not _is_removal(step):
            continue
        thing = things.get(names.get(step.address, step.address))
        is_there = thing is not None and (step.part in thing.parts or step.part in thing.halves)
        if not is_there or _is_replaced(step, plan, states):
            found[step.id] = step
    return found


def _names(plan: Plan, states: Mapping[StepId, str]) -> dict[Address, Address]:
    """Return what things are called now that were to get another name and did not, or that have their old one again."""
    moves: dict[Address, set[str | None]] = {}
    for step in plan.steps:
        if KINDS[step.kind].moves_mark:
            moves.setdefault(step.address, set()).add(states.get(step.id))
    return {
        change.address: change.previous_address
        for change in plan.changing
        if change.previous_address and change.address in moves and "done" not in moves[change.address]
    }


def _is_removal(step: Step) -> bool:
    """Return whether a step takes something away that was whole, and that a record knows of."""
    kind = KINDS[step.kind]
    passing = kind.passes or kind.moves_mark or step.provider == STATE_PROVIDER or step.part.endswith(BESIDE)
    return step.before is not None and step.after is None and not passing


def _is_replaced(step: Step, plan: Plan, states: Mapping[StepId, str]) -> bool:
    """Return whether something else was put into the place of what a step removed."""
    return any(
        other.after is not None and states.get(other.id) not in (None, "skipped", "undone")
        for other in plan.steps
        if (other.address, other.part) == (step.address, step.part) and step.id in other.needs
    )
