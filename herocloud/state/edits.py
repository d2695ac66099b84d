"""Records changed by hand: forgotten or protected. Nothing outside the state is touched.

Moves and adoptions are plans, see `plan/`, because names of things on the host change with them.

Each is one operation with a serial of its own, so that the history and `state diff` show it. The caller holds the lock.
"""

from collections.abc import Mapping

from herocloud.kits import nearest
from herocloud.model.applies import NOBODY, Caller
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.worlds import Record
from herocloud.state.store import Entry, Store

_BY_HAND = StepId("by hand")


def remove_record(store: Store, stack: StackName, address: Address, caller: Caller = NOBODY) -> int:
    """Forget what is recorded at an address, and leave the thing itself alone; returns the serial."""
    _require(store.recorded().records.get(stack, {}), stack, address)
    return store.edit("state rm", stack, [_entry(remove=(stack, address))], caller=caller)


def drop_row(store: Store, stack: StackName, address: Address, caller: Caller = NOBODY) -> int:
    """Forget an address whose row cannot be read; returns the serial."""
    return store.edit("state rm", stack, [_entry(remove=(stack, address))], caller=caller)


def set_protect(
    store: Store,
    stack: StackName,
    address: Address,
    protect: bool,  # noqa: FBT001  (the value that is set)
    caller: Caller = NOBODY,
) -> int:
    """Protect a record from deletion and replacement, or take the protection away; returns the serial."""
    record = _require(store.recorded().records.get(stack, {}), stack, address)
    return store.edit("protect" if protect else "unprotect", stack, [_entry(record=record._replace(protect=protect))], caller=caller)


def _entry(record: Record | None = None, remove: tuple[StackName, Address] | None = None) -> Entry:
    return Entry(_BY_HAND, "done", 0.0, record=record, remove=remove)


def _require(there: Mapping[Address, Record], stack: StackName, address: Address) -> Record:
    if address in there:
        return there[address]
    meant = nearest.nearest(address, there)
    hint = f"did you mean `{meant}`?" if meant else None
    detail = f"stack `{stack}` has no record of `{address}`. `herocloud state list` shows what is recorded."
    raise Refused([Diagnostic("not-recorded", "The address is not recorded", detail, address=address, hint=hint)])
