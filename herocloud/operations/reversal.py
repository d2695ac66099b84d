"""What `undo` takes back: which apply is meant, and the plan that does it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from herocloud.model.applies import apply_id, apply_number
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import PlanId, StackName, StepId
from herocloud.model.plans import Plan
from herocloud.model.worlds import Desired
from herocloud.operations import distrust, inputs, kept_data, stack_plans
from herocloud.operations.inputs import Hosting
from herocloud.operations.stack_plans import Planned
from herocloud.providers.seam import Found
from herocloud.state.store import Applied as PastApply


def plan_undo(folder: Path, which: str | None, *, stack: StackName | None = None) -> Planned:
    """Plan to take back an apply; `stack` says whose newest is meant where none is named."""
    from herocloud.plan import past_apply
    from herocloud.plan import undo as planner
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", f"Nothing was applied in `{folder}` yet.")])
    with opened:
        recorded = opened.recorded()
        chosen = choose([past for past in opened.undoable() if which or stack is None or past.stack == stack], which)
        applied = next(past for past in opened.load_plan(chosen.plan) if past.apply == chosen.apply)
        owner = applied.plan.stack
        before, after = (side.get(owner, {}) for side in opened.records_around(applied.serial))
    past = past_apply.Past(applied.apply, applied.plan, applied.states, before, after, recorded.records.get(owner, {}))
    host = stack_plans.with_listeners(inputs.find_host(folder, recorded))
    host = stack_plans.with_recorded_keys(host, owner, before, recorded)
    observed = stack_plans.look(host, None)
    past = past._replace(came=_look_back(past.plan, past.states, host, recorded.lineage or ""))
    recorded = stack_plans.remember(recorded, observed, host)
    kept = kept_data.list_kept(host, owner) if planner.restored(past) else []
    plan = planner.plan_undo(past, recorded, observed, host.host, kept)
    plan = distrust.tell_in(plan, folder)
    return Planned(plan, Desired(owner, ()), recorded, observed, host, undoes=applied.plan.id, undone=apply_id(applied.apply))


def _look_back(plan: Plan, states: Mapping[StepId, str], host: Hosting, lineage: str) -> Mapping[StepId, Found]:
    """Ask the world how far steps that failed have come: an effect may be there although its answer got lost."""
    from herocloud.apply import inspection
    from herocloud.apply.sessions import Opened
    from herocloud.providers.drivers import Drivers

    if not inspection.open_steps(plan, states):
        return {}
    drivers = Drivers(host.context)
    try:
        return inspection.look_back(plan, states, lambda step: Opened([step], drivers).of(step), lineage)
    finally:
        drivers.close()


def choose(applies: Sequence[PastApply], which: str | None) -> PastApply:
    """Return the apply to take back; raises `Refused` when there is none, or when the one that is meant cannot be.

    Where none is named, what other commands did in passing is passed over: nobody asked for it, and it has left nothing. A clone has
    left something, in another stack: somebody who takes back what was done last means that, and not what was there before it.
    """
    wanted = [past for past in applies if (not past.in_passing if which is None else _is_meant(past, which, applies))]
    if not wanted:
        detail = f"No apply `{which}` is in the state." if which else "Nothing was applied here yet."
        raise Refused(
            [Diagnostic("nothing-to-undo", "There is nothing to undo", f"{detail} `herocloud state log` lists what was applied.")]
        )
    open_ones = [past for past in wanted if past.status in ("done", "partial")]
    if open_ones:
        copied = [past for past in applies if past.is_of_clone and past.apply > open_ones[0].apply and past.stack == open_ones[0].stack]
        if which is None and copied:
            raise Refused([_clone_came_after(copied[0], open_ones[0])])
        return open_ones[0]
    raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", _why_not(wanted[0], applies))])


def _clone_came_after(copied: PastApply, past: PastApply) -> Diagnostic:
    detail = (
        f"The last thing done with stack `{past.stack}` was a clone (`{apply_id(copied.apply)}`), which is in the stack `imperative`. "
        f"`herocloud undo {apply_id(past.apply)}` takes back what was done to `{past.stack}` before that."
    )
    hint = "`herocloud vm delete VM` deletes a clone, `herocloud state log` lists what was applied"
    return Diagnostic("undo-clone", "It is not clear what is to be undone", detail, hint=hint)


def _why_not(past: PastApply, applies: Sequence[PastApply]) -> str:
    """Say why an apply cannot be taken back. Where its undo was undone, the newest of these has put it into force again."""
    name, plan = apply_id(past.apply), past.plan
    if past.status != "rolled back":
        return f"`{name}` (plan `{plan}`) did not end; `herocloud resume {name} --rollback` takes it back."
    chain = [past]
    while chain[-1].status == "rolled back":
        back = [one for one in applies if one.rollback_of == chain[-1].plan and one.apply > chain[-1].apply]
        if not back:
            break
        chain.append(max(back, key=lambda one: one.apply))
    newest = apply_id(chain[-1].apply)
    if len(chain) % 2 == 1 and chain[-1] is not past:
        return f"`{newest}` put what `{name}` (plan `{plan}`) did into force again; `herocloud undo {newest}` takes it back."
    return f"What `{name}` (plan `{plan}`) did is taken back already."


def _is_meant(past: PastApply, which: str, applies: Sequence[PastApply]) -> bool:
    """Return whether a serial, the name of an apply, or a plan id means this apply."""
    number = apply_number(which)
    if number is not None:
        return past.apply == number
    if any(which == str(other.serial) for other in applies):
        return which == str(past.serial)
    return past.plan == _whole_id(which, [other.plan for other in applies])


def _whole_id(part: str, known: Sequence[PlanId]) -> PlanId:
    """Complete a plan id that was cut short, as long as only one begins so."""
    fitting = {plan for plan in known if plan.startswith(part)}
    return fitting.pop() if len(fitting) == 1 and len(part) >= 4 else PlanId(part)
