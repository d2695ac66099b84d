"""A world in memory that runs plans step by step, in any order they allow, and refuses what does not follow.

It checks three things that a real world would punish: that a step finds the part as the plan says it is, that the host never runs out,
and that no step acts on a machine in the wrong state.
"""

import random
from typing import NamedTuple

from herocloud.model.hosts import Host
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import BESIDE, KINDS, Claim, Step
from herocloud.model.words import Action
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Thing
from herocloud.plan import capacity
from herocloud.plan.planner import plan as make_plan
from herocloud.plan.scope import PlanOptions


class World(NamedTuple):
    """What is recorded and what is there."""

    recorded: Recorded = Recorded(lineage="test")
    observed: Observed = Observed()

    def plan(self, desired: Desired, host: Host, **options: object) -> Plan:
        return make_plan(desired, self.recorded, self.observed, host, PlanOptions(**options))  # type: ignore[arg-type]


def run(world: World, plan: Plan, host: Host, *, order: random.Random | None = None, stop_after: int | None = None) -> World:
    """Run a plan, up to ten steps at once, in an order that `order` draws; `stop_after` steps the power goes."""
    assert not plan.errored, [found.detail for found in plan.diagnostics]
    order = order or random.Random(0)
    records = {stack: dict(of_stack) for stack, of_stack in world.recorded.records.items()}
    mine = records.setdefault(plan.stack, {})
    things = {stack: dict(of_stack) for stack, of_stack in world.observed.things.items()}
    there = {address: dict(thing.parts) for address, thing in things.setdefault(plan.stack, {}).items()}
    changes = {change.address: change for change in plan.changes}
    limits = capacity.limits(host)
    used = list(capacity.used(world.recorded, world.observed))
    waiting, running, done = {step.id: step for step in plan.steps}, {}, set()
    finished = 0
    while waiting or running:
        ready = [step for step in waiting.values() if done.issuperset(step.needs)]
        assert ready or running, "steps wait for each other"
        if ready and len(running) < 10 and (not running or order.random() < 0.6):
            step = order.choice(ready)
            del waiting[step.id]
            running[step.id] = step
            _begin(step, changes[step.address], mine)
            _count(used, step.takes, +1)
            _check_limits(used, limits, step)
            continue
        step = running.pop(order.choice(sorted(running)))
        _perform(step, there)
        _count(used, step.gives, -1)
        _record(step, changes[step.address], mine, there)
        done.add(step.id)
        finished += 1
        if stop_after is not None and finished >= stop_after:
            break
    makers = {step.address: step.provider for step in plan.steps if step.kind == "vm.create" and step.id in done}
    makers = {address: thing.provider for address, thing in things.get(plan.stack, {}).items()} | makers
    seen = {address: Thing(plan.stack, address, makers.get(address, "simulator"), parts) for address, parts in there.items() if parts}
    recorded = world.recorded._replace(records={**records, plan.stack: mine}, outputs={plan.stack: plan.outputs})
    return World(recorded, world.observed._replace(things={**things, plan.stack: seen}))


def _begin(step: Step, change: Change, mine: dict[str, Record]) -> None:
    origin = change.previous_address or change.address
    old = mine.get(change.address) or mine.get(origin)
    if old is None and change.after is not None:
        mine[change.address] = Record(
            "shop", change.address, change.kind, change.provider, change.after, {}, False, change.protect, change.sid, change.needs
        )
    elif old is not None:
        # As in the journal, it keeps its old name until the thing itself has the new one.
        mine[old.address] = old._replace(complete=False)


def _perform(step: Step, there: dict[str, dict]) -> None:
    parts = there.setdefault(step.address, {})
    if step.kind == "record.write":
        return
    if step.kind.endswith(".move"):
        there[step.address] = there.pop(step.before["address"])
        return
    assert parts.get(step.part) == step.before, f"{step.id} expects {step.before} and finds {parts.get(step.part)}"
    if step.kind in {"vm.create", "vm.boot", "vm.attach"}:
        _check_footing(step, parts, there)
    if step.kind in {"vm.configure", "vm.delete"}:
        assert parts["power"] == "stopped", f"{step.id} on a machine that is {parts['power']}"
    if step.kind in {"vm.resize", "vm.attach", "vm.detach", "vm.grow"}:
        assert parts["power"] in {"running", "paused"}, f"{step.id} on a machine that is {parts['power']}"
    if step.kind in {"tap.delete", "disk.delete", "seed.delete"} and "machine" in parts:
        assert step.kind == "tap.delete", f"{step.id} under a machine"
        assert step.part not in parts["machine"]["nics"], f"{step.id} under a machine"
    if step.kind == "network.delete":
        holders = [
            address
            for address, other in there.items()
            for key, part in other.items()
            if key.startswith("nic.") and f"network.{part['network']}" == step.address
        ]
        assert not holders, f"{step.id} under {holders}"
    if step.kind == "volume.delete":
        holders = [
            a
            for a, other in there.items()
            if any(f"volume.{v['volume']}" == step.address for v in other.get("machine", {}).get("volumes", ()))
        ]
        assert not holders, f"{step.id} under {holders}"
    if step.kind == "vm.create":
        parts["power"] = "stopped"
    if step.kind == "vm.delete":
        parts.pop("power")
    if KINDS[step.kind].places:
        parts.pop(f"{step.part}{BESIDE}")
    if step.after is None:
        parts.pop(step.part)
    else:
        parts[step.part] = step.after


def _check_footing(step: Step, parts: dict, there: dict[str, dict]) -> None:
    machine = step.after if step.part == "machine" else parts["machine"]
    for nic in machine["nics"]:
        assert nic in parts, f"{step.id} without {nic}"
    for one in machine["volumes"]:
        assert there.get(f"volume.{one['volume']}"), f"{step.id} without volume {one['volume']}"
        others = [a for a, other in there.items() if a != step.address and one in other.get("machine", {}).get("volumes", ())]
        assert not others or one["readonly"], f"{step.id} while {others} hold volume {one['volume']}"
    assert machine["root"] is None or "disk" in parts, f"{step.id} without its disk"


def _record(step: Step, change: Change, mine: dict[str, Record], there: dict[str, dict]) -> None:
    record = mine.get(change.address) or mine.get(change.previous_address)
    if record is None:
        return
    if step.kind.endswith(".move") or step.last:
        mine.pop(record.address)
        record = record._replace(address=change.address)
    record = record._replace(parts=dict(there.get(record.address, {})))
    if step.last and change.action is Action.DELETE:
        mine.pop(change.address, None)
        return
    if step.last:
        record = record._replace(
            spec=change.after, complete=True, protect=change.protect, sid=change.sid, needs=change.needs, provider=change.provider
        )
    mine[record.address] = record


def _count(used: list[int], claim: Claim, sign: int) -> None:
    for number, amount in enumerate(claim):
        used[number] += sign * amount


def _check_limits(used: list[int], limits: dict[str, int | None], step: Step) -> None:
    claim = Claim(*used)
    for name, limit in limits.items():
        amount = capacity.amount_of(claim, name)
        assert limit is None or amount <= limit, f"{step.id} drives {name} to {amount} of {limit}"
