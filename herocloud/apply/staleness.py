"""Whether a plan is still about the world as it is.

Only the facts that steps read are compared, so a change elsewhere on the host never makes a plan stale. A plan that was applied already
meets different facts, because it changed them; that is told apart from staleness by what it left behind.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Part
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Stale
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Fact, Plan
from herocloud.model.steps import Step
from herocloud.model.words import Action
from herocloud.model.worlds import Observed, Recorded
from herocloud.plan import kept_facts
from herocloud.state.store import AppliedPlan


class Changed(NamedTuple):
    """A fact that does not hold any more."""

    planned: Fact
    present: Fact


def changed_facts(facts: Iterable[Fact], now: Mapping[str, Fact]) -> list[Changed]:
    """Return the facts that differ now; one that nobody could look at again is not known to differ."""
    found = []
    for planned in facts:
        present = now.get(planned.key)
        if present is not None and present.digest != planned.digest:
            found.append(Changed(planned, present))
    return found


def check_facts(plan: Plan, steps: Iterable[Step] | None, now: Mapping[str, Fact]) -> list[Diagnostic]:
    """Say which facts changed: those that these steps read, or all that the plan relies on when no steps are given."""
    wanted = None if steps is None else {key for step in steps for key in step.facts}
    facts = plan.facts if wanted is None else [fact for fact in plan.facts if fact.key in wanted]
    return [say_changed(changed) for changed in changed_facts(facts, now)]


def refuse_stale(plan: Plan, now: Mapping[str, Fact]) -> None:
    """Raise `Stale` when anything that the plan relies on has changed."""
    diagnostics = check_facts(plan, None, now)
    if diagnostics:
        raise Stale(diagnostics)


def say_changed(changed: Changed) -> Diagnostic:
    """Put a changed fact into words."""
    planned, present = changed
    detail = f"`{planned.key}` was planned with: {planned.says}. Now it is: {present.says}. Plan again; nothing was changed."
    return Diagnostic("stale-plan", "The plan is stale", detail, address=_address_of(planned.key))


def _address_of(key: str) -> str | None:
    if key.startswith(kept_facts.PREFIX):
        return kept_facts.address_of(key)
    kind, _, rest = key.partition(":")
    return rest.partition("/")[2] or None if kind in ("record", "observed") else None


def binding_steps(plan: Plan, states: Mapping[StepId, str]) -> list[Step]:
    """Return the steps of an unfinished apply whose facts must still hold: those of changes that were never begun.

    Once a change has begun, the apply itself has altered the record and the world that its facts are about.
    """
    begun: set[Address] = {step.address for step in plan.steps if states.get(step.id) not in (None, "skipped")}
    return [step for step in plan.steps if step.address not in begun]


def broken_steps(plan: Plan, steps: Sequence[Step], now: Mapping[str, Fact]) -> dict[StepId, str]:
    """Return which of these steps must not run because what they rely on has changed, each with the reason."""
    changed = {
        changed_fact.planned.key: changed_fact
        for changed_fact in changed_facts(plan.facts, now)
        if not changed_fact.planned.key.startswith("capacity:")
    }
    broken = {}
    for step in steps:
        for key in step.facts:
            if key in changed:
                planned, present = changed[key]
                broken[step.id] = f"the plan is stale: `{key}` was {planned.says}, now {present.says}"
                break
    return broken


def applied_before(plan: Plan, applies: Collection[AppliedPlan], recorded: Recorded, observed: Observed | None) -> bool:
    """Return whether this very plan was applied to its end and everything is as it left it: then applying it again is nothing to do."""
    if not any(past_apply.status == "done" for past_apply in applies):
        return False
    records = recorded.records.get(plan.stack, {})
    things = observed.things.get(plan.stack, {}) if observed is not None else None
    for change in plan.changes:
        if change.action is Action.NO_OP:
            continue
        record = records.get(change.address)
        thing = None if things is None else things.get(change.address)
        present: Mapping[str, Part] = {} if thing is None else thing.parts
        if change.after is None:
            if record is not None or present:
                return False
        elif record is None or not record.complete or jsons.dumps(record.spec) != jsons.dumps(change.after):
            return False
        if record is not None and things is not None and jsons.dumps(record.parts) != jsons.dumps(present):
            return False
    return True
