"""The entrances for VMs that are asked for one by one: one more in a stack, or other labels on some of it."""

from collections.abc import Mapping, Sequence

from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Recorded, Resource
from herocloud.plan import excerpt, finish, planner, recorded_stack
from herocloud.plan.draft import World
from herocloud.plan.scope import PlanOptions


def plan_added(stack: StackName, added: Sequence[Resource], recorded: Recorded, observed: Observed, host: Host) -> Plan:
    """Return the plan that adds these to a stack, in which everything else stays as it is."""
    touched = tuple(resource.address for resource in added)
    needs = (need for resource in added for need in resource.depends_on)
    overlay = any(resource.spec.get("mycelium") for resource in added)
    world = World(recorded, observed, host)
    if overlay or any(resource.kind not in excerpt.ALONE for resource in added):
        return _plan_added(stack, added, touched, world)
    return excerpt.plan_within(world, stack, touched, needs, lambda part: _plan_added(stack, added, touched, part))


def _plan_added(stack: StackName, added: Sequence[Resource], touched: tuple[Address, ...], world: World) -> Plan:
    recorded, observed, host = world
    assert observed is not None  # noqa: S101  (the entrances above look)
    standing = recorded_stack.desire(stack, recorded.records.get(stack, {}).values(), recorded.outputs.get(stack, {}))
    desired = standing._replace(resources=(*standing.resources, *added))
    seen = recorded_stack.calm(observed, recorded, stack, touched)
    draft = planner.draft(desired, recorded, seen, host, PlanOptions(target=touched, operation="vm deploy"))
    # Nothing is left out of what was asked for, whatever the target says.
    return finish.finish(draft._replace(complete=True))


def plan_labels(
    stack: StackName,
    labels: Mapping[Address, Mapping[str, str]],
    recorded: Recorded,
    observed: Observed,
    host: Host,
    operation: str,
) -> Plan:
    """Return the plan that gives these VMs other labels, and changes nothing else."""
    records = dict(recorded.records.get(stack, {}))
    touched = tuple(address for address in labels if address in records)
    for address in touched:
        records[address] = recorded_stack.with_spec(records[address], labels=dict(labels[address]))
    desired = recorded_stack.desire(stack, records.values(), recorded.outputs.get(stack, {}))
    seen = recorded_stack.calm(observed, recorded, stack, ())
    draft = planner.draft(desired, recorded, seen, host, PlanOptions(target=touched, operation=operation))
    return finish.finish(draft._replace(complete=True))


def plan_recorded(
    stack: StackName, recorded: Recorded, observed: Observed, host: Host, operation: str, touched: tuple[Address, ...] | None = None
) -> Plan:
    """Return the plan that makes the world what is recorded of a stack, or of these addresses of it."""
    desired = recorded_stack.desire(stack, recorded.records.get(stack, {}).values(), recorded.outputs.get(stack, {}))
    if touched is None:
        return finish.finish(planner.draft(desired, recorded, observed, host, PlanOptions(operation=operation)))
    seen = recorded_stack.calm(observed, recorded, stack, touched)
    draft = planner.draft(desired, recorded, seen, host, PlanOptions(target=touched, operation=operation))
    return finish.finish(draft._replace(complete=True))
