"""Labels of VMs that stand, changed as a plan of their own."""

from collections.abc import Mapping
from pathlib import Path

from herocloud.model.ids import Address, StackName
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.stack_plans import Planned


def plan_labels(folder: Path, stack: StackName, labels: Mapping[Address, Mapping[str, str]], operation: str) -> Planned:
    """Plan these VMs with other labels, and everything else as it is."""
    from herocloud.plan import imperative_vms

    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, (stack,))
    plan = imperative_vms.plan_labels(stack, labels, recorded, observed, host.host, operation)
    return stack_plans.without_file(plan, recorded, observed, host)
