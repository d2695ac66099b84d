"""Order and proof together: steps wait for what they need, for slices, and for capacity that others give back."""

import graphlib
from collections.abc import Iterable, Mapping

from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import Step
from herocloud.model.worlds import Observed, Recorded
from herocloud.plan import facts, fitting, ordering
from herocloud.plan.deciding import Decision
from herocloud.plan.gathering import Inputs
from herocloud.plan.valuing import Valued


def order_and_prove(
    steps: list[Step],
    decisions: Mapping[Address, Decision],
    inputs: Inputs,
    valued: Mapping[Address, Valued],
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
    found: list[Diagnostic],
) -> tuple[list[Step], dict[StepId, set[StepId]], fitting.Proof]:
    """Return the steps in an order that works, what they wait for in other changes, and the proof."""
    waits = ordering.order(decisions, {address: record.needs for address, record in inputs.records.items()})
    for address, one in valued.items():
        if one.waits and address in decisions:
            _wait_for_slices(decisions[address].steps, one.waits, decisions, waits)
    before = fitting.used(recorded, observed)
    # Slices that others of this plan hold now come free during the apply; only the rest is drawn from what is free already.
    holders = facts.slice_holders(recorded)
    # What is adopted was counted as filling slices before it had any.
    takers = [one for address, one in valued.items() if address in decisions and not _is_adopted(decisions[address])]
    free = sum(1 for one in takers for sid in one.new_slices if sid not in holders)
    try:
        steps = ordering.sort_steps(steps, waits)
    except graphlib.CycleError as circle:
        found.append(_circle(circle.args[1]))
        return steps, {}, fitting.prove((), {}, before, host, inputs.stack, 0)
    proof = fitting.prove(steps, waits, before, host, inputs.stack, free)
    if proof.waits:
        for step, givers in proof.waits.items():
            waits.setdefault(step, set()).update(givers)
        steps = ordering.sort_steps(steps, waits)
    return steps, waits, proof


def _is_adopted(decision: Decision) -> bool:
    return decision.change.before is None and "machine" in (decision.change.parts_before or {})


def _wait_for_slices(
    steps: list[Step], holders: Iterable[Address], decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]
) -> None:
    """Make the first steps of a VM wait until those that hold its slices have let go of them in the state."""
    lasts = {step.id for holder in holders if holder in decisions for step in decisions[holder].steps if step.last}
    for step in steps:
        if not step.needs and lasts:
            waits.setdefault(step.id, set()).update(lasts)


def _circle(steps: list[StepId]) -> Diagnostic:
    addresses = sorted({step.partition("/")[0] for step in steps}, key=ids.sort_key)
    return Diagnostic(
        code="circle",
        summary="The changes wait for each other",
        detail=f"{', '.join(f'`{one}`' for one in addresses)} each need something that another of them holds until it is done.",
        address=addresses[0],
        hint="make the change in two applies, for example by way of a free slice",
    )
