"""Which data a plan destroys: looked up when it is made, and again before it runs."""

from collections.abc import Collection
from pathlib import Path

from herocloud.model.ids import StackName
from herocloud.model.plans import Fact, Plan
from herocloud.operations.inputs import Hosting
from herocloud.plan import data_facts


def rely(plan: Plan, host: Hosting) -> Plan:
    """Return a plan with the data that it destroys among its facts; most destroy none, and nothing is looked up for them."""
    return data_facts.relying_on(plan, _makers(host.context.folder, plan.stack)) if data_facts.destroys(plan) else plan


def look_again(keys: Collection[str], stack: StackName, host: Hosting) -> dict[str, Fact]:
    """Return those of these facts that are about data which is to be destroyed, as they are now."""
    wanted = [key for key in keys if key.startswith(data_facts.PREFIX)]
    return data_facts.look_again(wanted, stack, _makers(host.context.folder, stack)) if wanted else {}


def _makers(folder: Path, stack: StackName) -> data_facts.Makers:
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return {}
    with opened:
        return opened.data_makers(stack)
