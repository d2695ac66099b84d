"""`undo`: the inverse of a finished apply, shown, approved and run like any plan."""

from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId
from herocloud.model.plans import Plan
from herocloud.model.worlds import Desired
from herocloud.operations import applying, cleaning, hosting, planning
from herocloud.operations.applying import Applied, Decide
from herocloud.operations.hosting import Hosting
from herocloud.operations.planning import Planned
from herocloud.operations.running import How


def undo(folder: Path, plan_id: str | None, how: How, decide: Decide) -> Applied:
    """Take back an apply: the newest of this plan, or the newest of all."""
    first = plan_undo(folder, plan_id)
    return applying.run_made(folder, first, lambda: plan_undo(folder, first.undoes), how, decide)


def plan_undo(folder: Path, plan_id: str | None) -> Planned:
    """Plan to take back an apply."""
    from herocloud.apply import inverting
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", f"Nothing was applied in `{folder}` yet.")])
    with opened:
        recorded = opened.recorded()
        chosen = inverting.choose(opened.applies(), None if plan_id is None else _whole_id(plan_id, [one.plan for one in opened.applies()]))
        applied = next(one for one in opened.load_plan(chosen.plan) if one.apply == chosen.apply)
        stack = applied.plan.stack
        before = opened.records_at(applied.serial - 1).get(stack, {})
        after = opened.records_at(applied.serial).get(stack, {})
    history = inverting.History(before, after, recorded.records.get(stack, {}))
    host = hosting.find_host(folder, recorded)
    observed = planning.look(host, (stack,))
    plan = inverting.undo_plan(applied, history, recorded, observed, host.host)
    plan = plan._replace(diagnostics=(*plan.diagnostics, *_find_lost(plan, host)))
    return Planned(plan, Desired(stack, ()), recorded, observed, host, undoes=applied.plan.id)


def _find_lost(plan: Plan, host: Hosting) -> list[Diagnostic]:
    """Say whose data would have to come back and is not kept any more."""
    from herocloud.apply import inverses

    wanted = dict.fromkeys(step.address for step in plan.steps if step.kind in inverses.RESTORES and step.before is None)
    if not wanted:
        return []
    kept = {stone.address for stone in cleaning.list_tombstones(host) if stone.stack == plan.stack}
    return [_lost(address) for address in wanted if address not in kept]


def _lost(address: Address) -> Diagnostic:
    detail = f"The data of `{address}` was purged, or its time to live has passed, so its deletion cannot be taken back."
    return Diagnostic(
        "undo-data-gone",
        "Deleted data is gone",
        detail,
        address=address,
        hint="apply a stack file that asks for it: it is made anew, and empty",
    )


def _whole_id(part: str, known: list[PlanId]) -> PlanId:
    """Complete a plan id that was cut short, as long as only one begins so."""
    fitting = {one for one in known if one.startswith(part)}
    return fitting.pop() if len(fitting) == 1 and len(part) >= 4 else PlanId(part)
