"""`undo`: which apply is taken back, and the plan that does it, shown, approved and run like any plan."""

from collections.abc import Sequence
from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import PlanId
from herocloud.model.worlds import Desired
from herocloud.operations import applying, inputs, leftovers, stack_plans
from herocloud.operations.applying import Applied, Decide
from herocloud.operations.running import How
from herocloud.operations.stack_plans import Planned
from herocloud.state.store import Applied as PastApply


def undo(folder: Path, plan_id: str | None, how: How, decide: Decide) -> Applied:
    """Take back an apply: the newest of this plan, or the newest of all."""
    first = plan_undo(folder, plan_id)
    return applying.run_made(folder, first, lambda: plan_undo(folder, first.undoes), how, decide)


def plan_undo(folder: Path, plan_id: str | None) -> Planned:
    """Plan to take back an apply."""
    from herocloud.plan import undo as planner
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", f"Nothing was applied in `{folder}` yet.")])
    with opened:
        recorded = opened.recorded()
        applies = opened.applies()
        chosen = choose(applies, None if plan_id is None else _whole_id(plan_id, [apply.plan for apply in applies]))
        applied = next(apply for apply in opened.load_plan(chosen.plan) if apply.apply == chosen.apply)
        stack = applied.plan.stack
        before = opened.records_at(applied.serial - 1).get(stack, {})
        after = opened.records_at(applied.serial).get(stack, {})
    past = planner.Past(applied.apply, applied.plan, applied.states, before, after, recorded.records.get(stack, {}))
    host = stack_plans.with_listeners(inputs.find_host(folder, recorded))
    observed = stack_plans.look(host, (stack,))
    stones = leftovers.list_tombstones(host) if planner.restored(past) else ()
    kept = {stone.address for stone in stones if stone.stack == stack}
    plan = planner.plan_undo(past, recorded, observed, host.host, kept)
    return Planned(plan, Desired(stack, ()), recorded, observed, host, undoes=applied.plan.id)


def choose(applies: Sequence[PastApply], plan: PlanId | None) -> PastApply:
    """Return the apply to take back: the newest one of this plan, or the newest at all; raises `Refused` when there is none."""
    wanted = [apply for apply in applies if plan is None or apply.plan == plan]
    if not wanted:
        detail = f"No apply of plan `{plan}` is in the state." if plan else "Nothing was applied here yet."
        raise Refused(
            [Diagnostic("nothing-to-undo", "There is nothing to undo", f"{detail} `herocloud state log` lists what was applied.")]
        )
    open_ones = [apply for apply in wanted if apply.status in ("done", "partial")]
    if open_ones:
        return open_ones[0]
    first = wanted[0]
    detail = {
        "rolled back": f"What plan `{first.plan}` did is taken back already.",
    }.get(first.status, f"The apply of plan `{first.plan}` did not end; `herocloud resume --rollback` takes it back.")
    raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", detail)])


def _whole_id(part: str, known: list[PlanId]) -> PlanId:
    """Complete a plan id that was cut short, as long as only one begins so."""
    fitting = {plan for plan in known if plan.startswith(part)}
    return fitting.pop() if len(fitting) == 1 and len(part) >= 4 else PlanId(part)
