"""The entrance for one VM: started, stopped, restarted, paused, resumed or deleted on request.

The stack as it is recorded is asked for again with this one VM different, so that the command goes through everything that a stack goes
through.
"""

import itertools
from collections.abc import Collection

from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import excerpt, finish, lost_files, lost_marks, planner, recorded_stack
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.scope import PlanOptions

_ENDING = ("vm.stop", "vm.delete")
"""Steps with which the process of a VM ends, and what it alone has open is gone."""
STATES = {"start": "running", "stop": "stopped", "pause": "paused", "resume": "running"}
"""What each action wants the VM to be; `restart` and `delete` are more than that."""


def plan_power(action: str, record: Record, recorded: Recorded, observed: Observed, host: Host, *, purge: bool = False) -> Plan:
    """Return the plan of one action on one VM, and on nothing else of its stack."""
    world = World(recorded, observed, host)
    options = PlanOptions(target=(record.address,), purge=purge, operation=f"vm {action}")
    return excerpt.plan_within(world, record.stack, (record.address,), (), lambda part: _plan(action, record, part, options))


def _plan(action: str, record: Record, world: World, options: PlanOptions) -> Plan:
    recorded, observed, host = world
    assert observed is not None  # noqa: S101  (who acts on a VM has looked at it)
    calm = recorded_stack.calm(observed, recorded, record.stack, (record.address,))
    world = World(recorded, calm, host)
    if action == "delete":
        draft = _draft(world, record, None, options)
    elif action == "restart":
        draft = _restart(world, record, calm.things[record.stack][record.address], options)
    else:
        draft = _draft(world, record, recorded_stack.with_spec(record, state=STATES[action]), options)
    return finish.finish(_with_lost_files(draft, observed))


def _with_lost_files(draft: Draft, observed: Observed) -> Draft:
    """Add what would be lost of volumes with the process of the VM; the draft knows them as they are recorded."""
    if not any(step.kind in _ENDING for decision in draft.decisions.values() for step in decision.steps):
        return draft
    known = {(diagnostic.code, diagnostic.address) for diagnostic in draft.found}
    lost = lost_files.find(observed.things.get(draft.stack, {}), draft.decisions, PlanOptions(purge=draft.purge, operation=draft.operation))
    return draft._replace(found=(*draft.found, *(diagnostic for diagnostic in lost if (diagnostic.code, diagnostic.address) not in known)))


def _draft(world: World, record: Record, target: Record | None, options: PlanOptions) -> Draft:
    """Draft a plan for the stack with this one record replaced by its target, or gone."""
    recorded, observed, host = world
    records = dict(recorded.records[record.stack])
    if target is None:
        del records[record.address]
    else:
        records[record.address] = target
    desired = recorded_stack.desire(record.stack, records.values(), recorded.outputs.get(record.stack, {}))
    # Nothing is left out of what was asked for, whatever the target says.
    return planner.draft(desired, recorded, observed, host, options)._replace(complete=True)


def _restart(world: World, record: Record, thing: Thing, options: PlanOptions) -> Draft:
    """Draft the stop and the start as one plan, so that a crash between the two does not leave the VM off."""
    running = recorded_stack.with_spec(record, state="running")
    if thing.parts.get("power") == "stopped":
        return _draft(world, record, running, options)
    stopped = recorded_stack.with_spec(record, state="stopped")
    down = _draft(world, record, stopped, options)
    off = stopped._replace(parts={**record.parts, "power": "stopped"})
    # What was lost of its marks is written again before it stops.
    seen = thing._replace(parts={**{name: lost_marks.sound(name, part) for name, part in thing.parts.items()}, "power": "stopped"})
    up = _draft(_swap(world, off, seen), off, running, options)
    if down.errored or not down.steps or not up.steps:
        return down if down.errored else up
    return _chain(down, up, record.address)


def _chain(first: Draft, second: Draft, address: Address) -> Draft:
    """Put what two drafts do at one address behind each other."""
    before, after = first.decisions[address], second.decisions[address]
    taken = {step.id for step in before.steps}
    renamed = {
        step.id: _free(step.id, {*taken, *(other.id for other in after.steps)}) if step.id in taken else step.id for step in after.steps
    }
    ends = (before.steps[-1].id,)
    later = [step._replace(id=renamed[step.id], needs=tuple(renamed[need] for need in step.needs) or ends) for step in after.steps]
    steps = [*(step._replace(last=False) for step in before.steps), *later]
    change = _as_reboot(before.change, after.change)
    return first._replace(decisions={**first.decisions, address: Decision(change, steps)}, everything=_shown(first, change))


def _free(step_id: StepId, taken: Collection[StepId]) -> StepId:
    """Return a name for a step whose own is taken."""
    return next(name for number in itertools.count(2) if (name := StepId(f"{step_id}#{number}")) not in taken)


def _shown(draft: Draft, change: Change) -> tuple[Change, ...]:
    return tuple(change if shown.address == change.address else shown for shown in draft.everything or ())


def _as_reboot(down: Change, up: Change) -> Change:
    """Present the stop and the start together as a reboot."""
    return down._replace(
        action=Action.REBOOT,
        reason=Reason.NONE,
        impact=Impact.REBOOT,
        after=up.after,
        fields=(),
        note="restarted on request",
    )


def _swap(world: World, record: Record, thing: Thing) -> World:
    """Return the world with another record and another look at one address."""
    recorded, observed, host = world
    records = {**recorded.records[record.stack], record.address: record}
    recorded = recorded._replace(records={**recorded.records, record.stack: records})
    if observed is not None:
        things = {**observed.things[thing.stack], thing.address: thing}
        observed = observed._replace(things={**observed.things, thing.stack: things})
    return World(recorded, observed, host)
