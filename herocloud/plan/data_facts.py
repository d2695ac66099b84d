"""Facts about data that is to be destroyed: a plan that destroys some is about the data that was there when it was made, and no other.

Parts do not tell one disk from the next: a VM that was replaced meanwhile has a new one in the same place, of the same size.
"""

from collections.abc import Iterable, Mapping

from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Change, Fact
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import DataMakers

PREFIX = "data:"


def gather(stack: StackName, changes: Iterable[Change], data_makers: DataMakers) -> list[Fact]:
    """Return which data the changes destroy; most destroy none, and nothing is looked up for them."""
    lost = [
        change.previous_address or change.address
        for change in changes
        if change.action is not Action.NO_OP and change.impact is Impact.DATA
    ]
    makers = data_makers(stack) if lost else {}
    return [_fact(stack, address, makers[address]) for address in lost if address in makers]


def look_again(keys: Iterable[str], data_makers: DataMakers) -> Mapping[str, Fact]:
    """Return those of these facts that are about data which is to be destroyed, as they are now."""
    asked = [key.removeprefix(PREFIX).partition("/") for key in keys if key.startswith(PREFIX)]
    makers = {stack: data_makers(StackName(stack)) for stack in {stack for stack, _, _ in asked}}
    facts = [_fact(StackName(stack), Address(address), makers[stack].get(Address(address), "")) for stack, _, address in asked]
    return {fact.key: fact for fact in facts}


def _fact(stack: StackName, address: Address, maker: str) -> Fact:
    return Fact(f"{PREFIX}{stack}/{address}", maker, f"the data of `{address}` is what `{maker}` made" if maker else "nobody knows")
