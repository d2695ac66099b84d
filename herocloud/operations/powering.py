"""Imperative work on one VM: power, and deletion. Planned, proven and journalled like a stack."""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.operations import editing, inputs, planning, reading
from herocloud.operations.inputs import Hosting
from herocloud.operations.planning import Planned
from herocloud.plan.gathering import PlanOptions

STATES = {"start": "running", "stop": "stopped", "pause": "paused", "resume": "running"}


class Wanted(NamedTuple):
    """Which VM, and what to do with it."""

    action: str
    """`start`, `stop`, `restart`, `pause`, `resume` or `delete`."""
    name: str
    stack: str | None = None
    purge: bool = False


def plan_power(folder: Path, wanted: Wanted) -> Planned:
    """Plan one action on one VM."""
    recorded = reading.read_recorded(folder)
    record = reading.find_record(recorded, wanted.name, wanted.stack, kind="vm")
    if record.kind != "vm":
        raise Refused([Diagnostic("not-a-vm", "Not a VM", f"`{record.address}` is a {record.kind}.", address=record.address)])
    host = inputs.find_host(folder, recorded)
    observed = editing.calm(planning.look(host, (record.stack,)), recorded, record.stack, (record.address,))
    _require_possible(wanted, record, observed)
    if wanted.action == "delete":
        return _plan(recorded, observed, host, record, None, wanted)
    if wanted.action == "restart":
        return _plan_restart(recorded, observed, host, record, wanted)
    return _plan(recorded, observed, host, record, editing.with_spec(record, state=STATES[wanted.action]), wanted)


def _require_possible(wanted: Wanted, record: Record, observed: Observed) -> None:
    """Refuse what makes no sense for the VM as it is, naming the command that does."""
    thing = observed.things.get(record.stack, {}).get(record.address)
    power = str(thing.parts.get("power", "gone")) if thing else "gone"
    name = record.address
    if wanted.action == "delete":
        return
    if power == "gone":
        raise Refused(
            [
                Diagnostic(
                    "vm-gone",
                    "The VM is gone",
                    f"`{name}` is recorded, and nothing runs there.",
                    address=name,
                    hint="`herocloud apply` makes it anew",
                )
            ]
        )
    if wanted.action in ("pause", "resume") and power == "crashed":
        detail = f"`{name}` was stopped by its hypervisor with an internal error, and only a power-cycle helps."
        raise Refused(
            [Diagnostic("wrong-state", "Wrong state", detail, address=name, hint=f"`herocloud vm restart {name}` boots it again")]
        )
    if wanted.action == "pause" and power == "stopped":
        raise Refused(
            [
                Diagnostic(
                    "wrong-state",
                    "Wrong state",
                    f"`{name}` is stopped; only a running VM can be paused.",
                    address=name,
                    hint=f"`herocloud vm start {name}` boots it",
                )
            ]
        )
    if wanted.action == "resume" and power == "stopped":
        raise Refused(
            [
                Diagnostic(
                    "wrong-state",
                    "Wrong state",
                    f"`{name}` is stopped, not paused.",
                    address=name,
                    hint=f"`herocloud vm start {name}` boots it",
                )
            ]
        )


def _plan(recorded: Recorded, observed: Observed, host: Hosting, record: Record, target: Record | None, wanted: Wanted) -> Planned:
    """Plan with this one record replaced by its target, or gone."""
    from herocloud.plan import planning as planner

    records = dict(recorded.records[record.stack])
    if target is None:
        del records[record.address]
    else:
        records[record.address] = target
    desired = editing.desire(record.stack, records.values(), recorded.outputs.get(record.stack, {}))
    options = PlanOptions(target=(record.address,), purge=wanted.purge, operation=f"vm {wanted.action}")
    plan = planner.plan(desired, recorded, observed, host.host, options)
    # Nothing was left out of what was asked for, which `complete` would deny because of the target.
    plan = plan._replace(complete=True)
    return Planned(plan, desired, recorded, observed, host)


def _plan_restart(recorded: Recorded, observed: Observed, host: Hosting, record: Record, wanted: Wanted) -> Planned:
    """Plan to stop and to start as one plan, so that a crash between the two does not leave the VM off."""
    running = editing.with_spec(record, state="running")
    thing = observed.things[record.stack][record.address]
    if thing.parts.get("power") == "stopped":
        return _plan(recorded, observed, host, record, running, wanted)
    down = _plan(recorded, observed, host, record, editing.with_spec(record, state="stopped"), wanted)
    stopped = editing.with_spec(record, state="stopped")._replace(parts={**record.parts, "power": "stopped"})
    after = _swap_record(recorded, stopped)
    seen = _swap_thing(observed, thing._replace(parts={**thing.parts, "power": "stopped"}))
    up = _plan(after, seen, host, stopped, running, wanted)
    if down.plan.errored or not down.plan.steps or not up.plan.steps:
        return down if down.plan.errored else up
    return down._replace(plan=_chain(down.plan, up.plan, record.address))


def _chain(first: Plan, second: Plan, address: Address) -> Plan:
    """Put two plans for one VM behind each other."""
    ends = first.steps[-1].id
    taken = {step.id for step in first.steps}
    renamed = {step.id: StepId(f"{step.id}#2") if step.id in taken else step.id for step in second.steps}
    later = [
        step._replace(
            id=renamed[step.id],
            needs=tuple(renamed[need] for need in step.needs) or (ends,),
            facts=first.steps[-1].facts,
        )
        for step in second.steps
    ]
    changes = tuple(_as_reboot(change, second, first) if change.address == address else change for change in first.changes)
    steps = (*(step._replace(last=False) for step in first.steps), *later)
    identity = PlanId(jsons.digest([first.id, second.id]))
    return first._replace(id=identity, changes=changes, steps=steps, critical_seconds=first.critical_seconds + second.critical_seconds)


def _as_reboot(change: Change, up: Plan, down: Plan) -> Change:
    """Say of the stop and the start together that they are a reboot."""
    return change._replace(
        action=Action.REBOOT,
        reason=Reason.NONE,
        impact=Impact.REBOOT,
        after=next(one.after for one in up.changes if one.address == change.address),
        fields=(),
        note="restarted on request",
        downtime=down.critical_seconds + up.critical_seconds,
    )


def _swap_record(recorded: Recorded, record: Record) -> Recorded:
    records = {**recorded.records[record.stack], record.address: record}
    return recorded._replace(records={**recorded.records, record.stack: records})


def _swap_thing(observed: Observed, thing: Thing) -> Observed:
    things = {**observed.things[thing.stack], thing.address: thing}
    return observed._replace(things={**observed.things, thing.stack: things})
