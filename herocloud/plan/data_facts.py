"""Facts about data that is to be destroyed: a plan that destroys some is about the data that was there when it was made, and no other.

Parts do not tell one disk from the next: a VM that was replaced meanwhile has a new one in the same place, of the same size.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits import jsons
from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.plans import Fact, Plan
from herocloud.model.words import Impact

PREFIX = "data:"
Makers = Mapping[Address, str]
"""The apply that made the data of each address last."""


def destroys(plan: Plan) -> bool:
    """Return whether it destroys anything that was there."""
    return any(change.impact is Impact.DATA for change in plan.changing)


def relying_on(plan: Plan, makers: Makers) -> Plan:
    """Return the plan with what it destroys among its facts, and in its name."""
    lost = [change.previous_address or change.address for change in plan.changing if change.impact is Impact.DATA]
    found = tuple(_fact(plan.stack, address, makers) for address in lost if address in makers)
    if not found:
        return plan
    named = PlanId(jsons.digest([plan.id, [[fact.key, fact.digest] for fact in found]]))
    return plan._replace(id=named, facts=(*plan.facts, *found))


def look_again(keys: Iterable[str], stack: StackName, makers: Makers) -> dict[str, Fact]:
    """Return the same facts as they are now."""
    return {key: _fact(stack, Address(key.partition("/")[2]), makers) for key in keys}


def _fact(stack: StackName, address: Address, makers: Makers) -> Fact:
    maker = makers.get(address, "")
    return Fact(f"{PREFIX}{stack}/{address}", maker, f"the data of `{address}` is what `{maker}` made" if maker else "nobody knows")
