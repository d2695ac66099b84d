"""The last touches: steps learn what they wait for and rely on, untouched addresses join in, and the plan gets its name."""

import hashlib
from collections.abc import Iterable, Mapping

import herocloud
from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.ids import PlanId, StackName, StepId
from herocloud.model.plans import Change, Fact
from herocloud.model.steps import NOTHING, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Record
from herocloud.plan.gathering import Inputs
from herocloud.plan.options import PlanOptions


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
    state = hashlib.blake2b(digest_size=8)
    state.update(jsons.dumps([herocloud.__version__, stack, options, lineage, outputs]).encode())
    for change in changes:
        state.update(jsons.dumps([change.address, change.action.value, change.previous_address, change.after]).encode())
    for fact in plan_facts:
        state.update(f"{fact.key}\0{fact.digest}\0".encode())
    return PlanId(state.hexdigest())
