"""Trials: a plan runs on a copy of state and world, which proves that nothing is left to do after it. Nothing real is changed."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.applies import Begun
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import StackName
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import admission, inputs, lookups, stack_plans, unfinished
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting
from herocloud.operations.stack_plans import Asked, Planned


class Rehearsed(NamedTuple):
    """How the rehearsal went."""

    plan: Plan
    result: Result
    left: tuple[str, ...]
    """What would still be to do; nothing when the plan does all that it says."""


class _After(NamedTuple):
    result: Result
    recorded: Recorded
    observed: Observed


def rehearse(planned: Planned, asked: Asked, how: How) -> Rehearsed:
    """Run a plan that was just made on a copy, and plan the same stack from what is there then."""
    from herocloud.plan import planner

    _require_ended(planned.recorded, planned.plan.stack)
    stack_plans.refuse_unapplyable(planned.plan)
    after = _run(planned.plan, planned.recorded, planned.hosting, how)
    # What `--replace` asks for was re-created; asking again would never come to an end.
    options = asked.options._replace(replace=())
    again = planner.plan(planned.desired, after.recorded, after.observed, planned.hosting.host, options)
    return Rehearsed(planned.plan, after.result, tuple(change.address for change in again.changing))


def rehearse_saved(folder: Path, plan: Plan, how: How) -> Rehearsed:
    """Run a saved plan on a copy, and compare what is there then with what it says."""
    recorded = lookups.read_recorded(folder)
    _require_ended(recorded, plan.stack)
    admission.require_own(plan, recorded)
    stack_plans.refuse_unapplyable(plan)
    host = inputs.find_host(folder, recorded)
    admission.require_fresh(plan, recorded, host)
    after = _run(plan, recorded, host, how)
    return Rehearsed(plan, after.result, tuple(admission.not_in_place(plan, after.recorded, after.observed)))


def _run(plan: Plan, recorded: Recorded, host: Hosting, how: How) -> _After:
    from herocloud.apply import rehearsal

    with how.watch(plan, (), Begun(None)) as tell:
        return _After(*rehearsal.rehearse(plan, recorded, stack_plans.look(host, None), host.host, options=how.options, tell=tell))


def _require_ended(recorded: Recorded, stack: StackName) -> None:
    for pending in unfinished.waiting(recorded.unfinished, stack):
        detail = f"`{pending.id}` (plan `{pending.plan}`) did not end, and what it left half-made cannot be rehearsed on."
        hint = f"`herocloud resume {pending.id}` finishes it"
        raise Refused([Diagnostic("unfinished-apply", "An earlier apply is not finished", detail, hint=hint)])
