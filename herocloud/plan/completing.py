"""A plan is completed: steps get their order, their waits and the proof that they fit, and the plan gets its name.

Order and proof together: steps wait for what they need, for slices, and for capacity that others give back.

The last touches: steps learn what they wait for and rely on, untouched addresses join in, and the plan gets its name.
"""

import graphlib
from collections.abc import Iterable, Mapping

import herocloud
from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Change, Fact
from herocloud.model.steps import NOTHING, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.plan import facts, fitting, ordering
from herocloud.plan.deciding import Decision
from herocloud.plan.gathering import Inputs, PlanOptions
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


def complete_steps(steps: list[Step], waits: Mapping[StepId, set[StepId]], plan_facts: Iterable[Fact], stack: StackName) -> list[Step]:
    """Write into each step what it waits for and what it relies on: the facts of its address, and what it takes from the host."""
    by_address: dict[str, list[str]] = {}
    general: list[str] = []
    for fact in plan_facts:
        kind, _, rest = fact.key.partition(":")
        if kind in {"record", "observed"}:
            by_address.setdefault(rest.removeprefix(f"{stack}/"), []).append(fact.key)
        elif kind == "capacity":
            general.append(fact.key)
    keys = {address: tuple(names) for address, names in by_address.items()}
    result = []
    for step in steps:
        relied = keys.get(step.address, ())
        if general and step.takes is not NOTHING:
            relied = (*relied, *general)
        more = waits.get(step.id)
        # A set has no order of its own, and the plan's bytes must not depend on one.
        needs = (*step.needs, *sorted(more.difference(step.needs))) if more else step.needs
        result.append(step._replace(needs=needs, facts=relied))
    return result


def with_untouched(changes: tuple[Change, ...], inputs: Inputs) -> tuple[Change, ...]:
    """Add the addresses at which nothing happens, in the order of the stack file; what goes comes last."""
    by_address = {change.address: change for change in changes}
    everything: list[Change] = []
    for address in inputs.resources:
        change = by_address.pop(address, None)
        if change is not None:
            everything.append(change)
        elif address in inputs.records:
            record = inputs.records[address]
            everything.append(_untouched(record))
    return (*everything, *by_address.values())


def _untouched(record: Record) -> Change:
    return Change(
        address=record.address,
        kind=record.kind,
        action=Action.NO_OP,
        reason=Reason.NONE,
        impact=Impact.NONE,
        provider=record.provider,
        before=record.spec,
        after=record.spec,
        sid=record.sid,
        protect=record.protect,
        needs=record.needs,
    )


def identify(
    stack: StackName, options: PlanOptions, lineage: str | None, changes: Iterable[Change], plan_facts: Iterable[Fact], outputs: Json
) -> PlanId:
    """Name the plan after its content: everything else in it follows from these."""
    state = jsons.blake2b(digest_size=8)
    state.update(jsons.dumps([herocloud.__version__, stack, options, lineage, outputs]).encode())
    for change in changes:
        state.update(jsons.dumps([change.address, change.action.value, change.previous_address, change.after]).encode())
    for fact in plan_facts:
        state.update(f"{fact.key}\0{fact.digest}\0".encode())
    return PlanId(state.hexdigest())
