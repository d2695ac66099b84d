"""Where every plan ends: a draft gets its order, the proof that it fits, the facts it relies on, and its name.

The one place that makes a `Plan`. Whatever is true of all plans is looked after here, once: that steps wait for what they need and for
room on the host, that nothing is taken which somebody else has, and that a plan knows what it relies on. The alternative, a planner for
each kind of plan that does all of this by itself, had five places in which one of these could be forgotten.
"""

import graphlib
from collections.abc import Iterable, Iterator, Mapping

import herocloud
from herocloud.host import slicing
from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.ids import PlanId, StepId
from herocloud.model.plans import Change, Fact, Plan
from herocloud.model.steps import KINDS, NOTHING, Step, restores_data
from herocloud.model.words import Action, Severity
from herocloud.plan import (
    capacity,
    conflicts,
    estimates,
    facts,
    network_handovers,
    order,
    orphan_holdings,
    overlay_rules,
    preparation,
    takers,
)
from herocloud.plan.capacity import Proof
from herocloud.plan.draft import Draft


class Ordered(NamedTuple):
    """Steps in an order that works, what they wait for in other changes, and the proof."""

    steps: list[Step]
    waits: Mapping[StepId, set[StepId]]
    proof: Proof
    found: tuple[Diagnostic, ...] = ()


def finish(draft: Draft) -> Plan:
    """Turn a draft into the plan that is shown, approved and executed."""
    draft = overlay_rules.judge(draft)
    recorded, observed, host = draft.world
    changes = tuple(decision.change for decision in draft.decisions.values())
    ordered = _order_and_prove(draft)
    proof = ordered.proof
    found = [*draft.found, *ordered.found, *proof.found, *_find_conflicts(draft, ordered.steps), *_find_lost_slices(draft, changes, proof)]
    kept = (fact for change in changes for fact in draft.kept.get(change.address, ()))
    plan_facts = (*facts.gather(draft.stack, changes, draft.new_slices, proof.drawn, recorded, observed, host), *kept)
    steps = _complete_steps(ordered, plan_facts, draft)
    timing = estimates.estimate(steps, draft.parallelism, recorded.durations)
    down = estimates.with_downtimes(changes, steps, timing, carrying=overlay_rules.is_carrying(draft))
    shown = changes if draft.everything is None else draft.everything
    return Plan(
        id=_identify(draft, changes, plan_facts),
        stack=draft.stack,
        operation=draft.operation,
        lineage=recorded.lineage,
        host=host.name,
        changes=tuple(down.get(change.address, change) for change in shown) if down else shown,
        steps=tuple(steps),
        capacity=proof.capacity,
        facts=plan_facts,
        diagnostics=tuple(sort_diagnostics(found)),
        drift=draft.drift,
        outputs=draft.outputs,
        outputs_before=recorded.outputs.get(draft.stack, {}),
        complete=draft.complete,
        slices_free=max(0, len(host.slices) - proof.capacity.slices.before),
        slices_total=len(host.slices),
        purge=draft.purge,
        simulated=draft.simulated,
        critical_seconds=round(timing.total, 3),
        unfinished=tuple(apply for apply in recorded.unfinished if apply.stack == draft.stack),
    )


def _order_and_prove(draft: Draft) -> Ordered:
    """Sort, prove, and sort again where the proof makes steps wait for room."""
    host, stack = draft.world.host, draft.stack
    waits = dict(draft.waits)
    try:
        steps = order.sort_steps(draft.steps, waits)
        proof = capacity.prove(steps, waits, draft.used, host, stack, draft.free_slices)
        for step, givers in proof.waits.items():
            waits[step] = waits.get(step, set()) | givers
        late = takers.wait_for_givers(steps, waits, proof.waits)
        if late != draft.waits:
            waits = late
            steps = order.sort_steps(steps, waits)
        prepared = preparation.wait_for_preparations(steps, waits)
        if prepared != waits:
            waits = prepared
            steps = order.sort_steps(steps, waits)
    except graphlib.CycleError as circle:
        return Ordered(draft.steps, {}, capacity.prove((), {}, draft.used, host, stack, 0), (_circle(draft, circle.args[1]),))
    return Ordered(steps, waits, proof)


def _circle(draft: Draft, steps: list[StepId]) -> Diagnostic:
    if (of_range := network_handovers.find_circle(draft.steps, steps, draft.places)) is not None:
        return of_range
    addresses = sorted({step.partition("/")[0] for step in steps}, key=ids.sort_key)
    back = "take them back by way of the stack file, in two applies"
    return Diagnostic(
        code="circle",
        summary="The changes wait for each other",
        detail=f"{', '.join(f'`{address}`' for address in addresses)} each need something that another of them holds until it is done.",
        address=addresses[0],
        hint=back if draft.operation == "undo" else "make the change in two applies, for example by way of a free slice",
    )


def _find_conflicts(draft: Draft, steps: Iterable[Step]) -> Iterator[Diagnostic]:
    """Find what the plan wants of the host and somebody else has."""
    recorded, observed, host = draft.world
    changed = {
        name for decision in draft.decisions.values() for name in (decision.change.address, decision.change.previous_address) if name
    }
    if observed is not None and observed.strangers:
        yield from conflicts.find_strangers(steps, observed.strangers, draft.places)
    if observed is not None and observed.ranges:
        yield from conflicts.find_ranges(steps, observed.ranges, draft.places)
    yield from orphan_holdings.find(draft.stack, draft.steps, draft.decisions, recorded, observed, draft.places)
    yield from conflicts.find_shared_ranges(draft.stack, steps, recorded, observed, draft.places, changed)
    ports = conflicts.new_ports(steps)
    if ports:
        yield from conflicts.find_ports(draft.stack, ports, recorded, observed, host.listening or frozenset(), changed)


def _find_lost_slices(draft: Draft, changes: Iterable[Change], proof: Proof) -> tuple[Diagnostic, ...]:
    """Find VMs that would still hold slices which the machine lost; a plan that removes them is the way out and stays good."""
    recorded, _, host = draft.world
    leaving = {change.address for change in changes if change.action is Action.DELETE}
    staying = [
        record
        for stack, records in recorded.records.items()
        for record in records.values()
        if record.kind == "vm" and not (stack == draft.stack and record.address in leaving)
    ]
    there = {part.sid for part in host.slices}
    if all(sid in there for record in staying for sid in record.spec.get("slices") or ()):
        return ()
    diagnostics = slicing.check_shrunk(staying, host.slices)
    if draft.narrow or proof.capacity.slices.after < proof.capacity.slices.before:
        # A step on the way out is as good as the whole way.
        return tuple(diagnostic._replace(severity=Severity.WARNING) for diagnostic in diagnostics)
    return diagnostics


def _complete_steps(ordered: Ordered, plan_facts: Iterable[Fact], draft: Draft) -> list[Step]:
    """Write into each step what it waits for, how long it takes, and what it relies on: facts of its address, and what it takes."""
    stack, waits = draft.stack, ordered.waits
    seconds_of = estimates.pace(draft.world.recorded.durations, draft.world.host)
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
    vacated = {decision.change.previous_address for decision in draft.decisions.values()}
    for step in ordered.steps:
        # What is at a name that another gives up is about that one, which this plan changes itself.
        relied = () if step.address in vacated else keys.get(step.address, ())
        relied += tuple(fact.key for fact in draft.kept.get(step.address, ()))
        if general and step.takes is not NOTHING:
            relied = (*relied, *general)
        more = waits.get(step.id)
        # A set has no order of its own, and the plan's bytes must not depend on one.
        needs = (*step.needs, *sorted(more.difference(step.needs))) if more else step.needs
        # Data comes back out of its tombstone as fast as it went in; nothing is copied.
        restores = draft.operation == "undo" and restores_data(step.kind) and step.before is None
        seconds = seconds_of(step._replace(kind=KINDS[step.kind].inverse) if restores else step)
        result.append(step._replace(needs=needs, facts=relied, seconds=seconds))
    return result


def _identify(draft: Draft, changes: Iterable[Change], plan_facts: Iterable[Fact]) -> PlanId:
    """Name the plan after its content: everything else in it follows from these."""
    head: Json = [herocloud.__version__, draft.stack, draft.named_after, draft.world.recorded.lineage, draft.outputs]
    state = jsons.blake2b(digest_size=8)
    state.update(jsons.dumps(head).encode())
    for change in changes:
        state.update(jsons.dumps([change.address, change.action.value, change.previous_address, change.after]).encode())
    for fact in plan_facts:
        state.update(f"{fact.key}\0{fact.digest}\0".encode())
    return PlanId(state.hexdigest())
