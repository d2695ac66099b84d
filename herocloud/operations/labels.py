"""Labels of VMs that stand, changed as a plan of their own."""

from collections.abc import Mapping
from pathlib import Path

from herocloud.model.ids import Address, StackName
from herocloud.operations import editing, inputs, planning, reading
from herocloud.operations.planning import Planned
from herocloud.plan.gathering import PlanOptions


def plan_labels(folder: Path, stack: StackName, labels: Mapping[Address, Mapping[str, str]], operation: str) -> Planned:
    """Plan these VMs with other labels, and everything else as it is."""
    from herocloud.plan import planning as planner

    recorded = reading.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    records = dict(recorded.records.get(stack, {}))
    chosen = [address for address in labels if address in records]
    for address in chosen:
        records[address] = editing.with_spec(records[address], labels=dict(labels[address]))
    desired = editing.desire(stack, records.values(), recorded.outputs.get(stack, {}))
    observed = editing.calm(planning.look(host, (stack,)), recorded, stack, ())
    plan = planner.plan(desired, recorded, observed, host.host, PlanOptions(target=tuple(chosen), operation=operation))
    return Planned(plan._replace(complete=True), desired, recorded, observed, host)
