"""`undo PLAN_ID`: taking back a finished apply as a plan of its own, which is shown before it runs.

The inverse is built from the plan that ran and from what each of its steps came to, not by planning the old stack file again: the old
file may be gone, and a plan from it would make a new, empty disk where the old one still lies in its tombstone. Where later applies
have touched the same addresses there is no way back that does not take something else along, so that is refused by name.
"""

import graphlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from herocloud.apply import inverses
from herocloud.apply.inverses import RESTORES, Inverted
from herocloud.kits import jsons, sizes
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import STATE_PROVIDER, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.plan import completing, facts, fitting, ordering
from herocloud.state.store import Applied, AppliedPlan

Records = Mapping[Address, Record]

_ACTIONS = {
    Action.CREATE: Action.DELETE,
    Action.DELETE: Action.CREATE,
    Action.ADOPT: Action.FORGET,
    Action.FORGET: Action.ADOPT,
}


class History(NamedTuple):
    """The records of the stack around the apply that is to be taken back."""

    before: Records
    after: Records
    now: Records


def choose(applies: Sequence[Applied], plan: PlanId | None) -> Applied:
    """Return the apply to take back: the newest one of this plan, or the newest at all; raises `Refused` when there is none."""
    wanted = [one for one in applies if plan is None or one.plan == plan]
    if not wanted:
        detail = f"No apply of plan `{plan}` is in the state." if plan else "Nothing was applied here yet."
        raise Refused(
            [Diagnostic("nothing-to-undo", "There is nothing to undo", f"{detail} `herocloud state log` lists what was applied.")]
        )
    open_ones = [one for one in wanted if one.status in ("done", "partial")]
    if open_ones:
        return open_ones[0]
    first = wanted[0]
    detail = {
        "rolled back": f"What plan `{first.plan}` did is taken back already.",
    }.get(first.status, f"The apply of plan `{first.plan}` did not end; `herocloud resume --rollback` takes it back.")
    raise Refused([Diagnostic("nothing-to-undo", "There is nothing to undo", detail)])


def undo_plan(applied: AppliedPlan, history: History, recorded: Recorded, observed: Observed | None, host: Host) -> Plan:
    """Return the plan that takes back what was done; it carries errors where that is not possible any more."""
    plan = applied.plan
    done = [step for step in plan.steps if applied.states.get(step.id) == "done"]
    by_address: dict[Address, list[Step]] = {}
    for step in done:
        by_address.setdefault(step.address, []).append(step)
    found: list[Diagnostic] = []
    inverted: dict[Address, Inverted] = {}
    changes: list[Change] = []
    for change in reversed(plan.changing):
        if change.address not in by_address:
            continue
        inverse = inverses.invert(change, by_address[change.address])
        found += inverse.found
        found += _refuse_touched(change, inverse.address, history, observed, plan)
        inverted[inverse.address] = inverse
        changes.append(_invert_change(change, inverse, history))
    needs = inverses.reverse_needs(done, inverted.values())
    free = _wait_for_slices(changes, inverted, needs, recorded, plan.stack, found)
    steps = _sort([step for one in inverted.values() for step in one.steps], needs, found)
    proof = fitting.prove(steps, needs, fitting.used(recorded, observed), host, plan.stack, free)
    found += proof.found
    for taker, givers in proof.waits.items():
        needs.setdefault(taker, set()).update(givers)
    plan_facts = facts.gather(plan.stack, changes, (), proof.drawn, recorded, observed, host)
    steps = completing.complete_steps(_sort(steps, needs, found), needs, plan_facts, plan.stack)
    return plan._replace(
        id=PlanId(jsons.digest(["undo", applied.apply, plan.id, [[fact.key, fact.digest] for fact in plan_facts]])),
        operation="undo",
        lineage=recorded.lineage,
        host=host.name,
        changes=tuple(changes),
        steps=tuple(steps),
        capacity=proof.capacity,
        facts=plan_facts,
        diagnostics=tuple(sort_diagnostics(found)),
        drift=(),
        outputs=plan.outputs_before,
        outputs_before=recorded.outputs.get(plan.stack, {}),
        slices_free=len(host.slices) - proof.capacity.slices.before,
        slices_total=len(host.slices),
        purge=False,
        critical_seconds=ordering.critical_seconds(steps),
    )


def _invert_change(change: Change, inverse: Inverted, history: History) -> Change:
    origin = history.before.get(inverse.address)
    present = history.now.get(change.address)
    only_records = all(step.provider == STATE_PROVIDER for step in inverse.steps)
    action = change.action
    if origin is None:
        action = Action.FORGET if only_records else Action.DELETE
    elif present is None:
        action = Action.ADOPT if only_records else Action.CREATE
    elif action in (Action.CREATE, Action.ADOPT):
        action = Action.UPDATE
    loses = any(step.kind in inverses.DATA for step in inverse.steps)
    return Change(
        address=inverse.address,
        kind=change.kind,
        action=action,
        reason=Reason.UNDO,
        impact=_impact(action, loses=loses, only_records=only_records),
        provider=origin.provider if origin else present.provider if present else change.provider,
        before=present.spec if present else None,
        after=origin.spec if origin else None,
        fields=tuple(one._replace(before=one.after, after=one.before) for one in change.fields),
        previous_address=change.address if change.previous_address else None,
        sid=origin.sid if origin else present.sid if present else change.sid,
        protect=origin.protect if origin else False,
        protected=bool(present and present.protect) and action in (Action.DELETE, Action.REPLACE),
        needs=origin.needs if origin else (),
        note=_note(action, inverse),
        downtime=change.downtime if action in (Action.REBOOT, Action.REPLACE) else 0.0,
        parts_before=present.parts if present else None,
    )


def _impact(action: Action, *, loses: bool, only_records: bool) -> Impact:
    if action in (Action.DELETE, Action.REPLACE):
        return Impact.DATA if loses else Impact.REPLACE
    if action is Action.REBOOT:
        return Impact.REBOOT
    return Impact.NONE if only_records or action in (Action.MOVE, Action.FORGET) else Impact.LIVE


def _note(action: Action, inverse: Inverted) -> str:
    size = sum(step.before["size"] for step in inverse.steps if step.kind in inverses.DATA)
    back = sum(step.after["size"] for step in inverse.steps if step.kind in RESTORES)
    if action is Action.REPLACE and back:
        return f"{sizes.show_size(back)} of data comes back, and what was written since is destroyed at once"
    if size:
        return f"{sizes.show_size(size)} of data is kept for 7 days"
    return f"{sizes.show_size(back)} of data comes back" if back else ""


def _refuse_touched(change: Change, address: Address, history: History, observed: Observed | None, plan: Plan) -> list[Diagnostic]:
    """Say what has happened to an address since the apply, to its record or behind its back."""
    here = {change.address, address}
    if any(history.after.get(one) != history.now.get(one) for one in here):
        detail = (
            f"`{change.address}` was changed again after plan `{plan.id}`. Undo the later apply first, or change the stack file and apply."
        )
        return [Diagnostic("undo-touched", "A later apply changed the same resource", detail, address=change.address)]
    record = history.now.get(change.address)
    if observed is None or record is None:
        return []
    thing = observed.things.get(plan.stack, {}).get(change.address)
    if jsons.dumps(thing.parts if thing else {}) == jsons.dumps(record.parts):
        return []
    detail = f"`{change.address}` is not as plan `{plan.id}` left it. `herocloud drift` shows the difference, `herocloud apply` settles it."
    return [Diagnostic("undo-drifted", "A resource has changed behind our back", detail, address=change.address)]


def _wait_for_slices(
    changes: Sequence[Change],
    inverted: Mapping[Address, Inverted],
    needs: dict[StepId, set[StepId]],
    recorded: Recorded,
    stack: StackName,
    found: list[Diagnostic],
) -> int:
    """Make whoever gets slices back wait until they are free in the state; returns how many of them are free already."""
    holders = facts.slice_holders(recorded)
    keeps = {f"{stack}/{change.previous_address or change.address}": change for change in changes}
    free = 0
    for change in changes:
        wanted = (change.after or {}).get("slices") or ()
        lasts: set[StepId] = set()
        for sid in wanted:
            holder = holders.get(sid)
            if holder is None:
                free += 1
            elif holder != f"{stack}/{change.previous_address or change.address}":
                other = keeps.get(holder)
                if other is None or sid in ((other.after or {}).get("slices") or ()):
                    found.append(_taken(change.address, sid, holder))
                else:
                    lasts.add(inverted[other.address].last)
        for step in inverted[change.address].steps if lasts else ():
            needs.setdefault(step.id, set()).update(lasts)
    return free


def _taken(address: Address, sid: str, holder: str) -> Diagnostic:
    detail = f"`{address}` had slice `{sid}`, which `{holder}` holds by now. Free it there, or apply the old stack file: it takes another."
    return Diagnostic("undo-slice-taken", "A slice was given to somebody else", detail, address=address)


def _sort(steps: list[Step], needs: Mapping[StepId, set[StepId]], found: list[Diagnostic]) -> list[Step]:
    try:
        return ordering.sort_steps(steps, needs)
    except graphlib.CycleError as circle:
        addresses = sorted({step.partition("/")[0] for step in circle.args[1]}, key=ids.sort_key)
        names = ", ".join(f"`{one}`" for one in addresses)
        detail = f"{names} each need something that another of them holds. Take them back by way of the stack file, in two applies."
        found.append(Diagnostic("circle", "The changes wait for each other", detail, address=addresses[0]))
        return steps
