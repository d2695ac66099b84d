"""Records changed by hand: renamed, forgotten, protected, taken over. Nothing outside the state is touched.

Each is one operation with a serial of its own, so that the history shows it and `state diff` what it did. Whoever calls holds the lock.
"""

from collections.abc import Mapping

from herocloud.kits import nearest
from herocloud.model import ids
from herocloud.model.applies import NOBODY, Caller
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.worlds import Record
from herocloud.state.store import Entry, Store

_BY_HAND = StepId("by hand")


def move_record(store: Store, stack: StackName, origin: Address, target: Address) -> int:
    """Record what `origin` is under another address; returns the serial. What relied on the old address relies on the new one."""
    there = store.recorded().records.get(stack, {})
    _require(there, stack, origin)
    parts = [ids.split_address(one) for one in (origin, target)]
    if parts[1] is None or parts[0] is None or parts[0].kind != parts[1].kind:
        kind = origin.partition(".")[0]
        raise _refused(
            "bad-move",
            "A record keeps its kind",
            f"`{target}` is not the address of a {kind}. Write it like `{kind}.NAME` or `{kind}.NAME[0]`.",
            target,
        )
    if target in there:
        raise _refused(
            "address-taken", "The address is taken", f"`{target}` is recorded in stack `{stack}` already. Move or forget it first.", target
        )
    entries = [_entry(rename=(stack, origin, target))]
    for record in there.values():
        if origin in record.needs:
            needs = tuple(target if one == origin else one for one in record.needs)
            entries.append(_entry(record=record._replace(needs=needs)))
    return store.edit("state mv", stack, entries)


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


def adopt(store: Store, record: Record) -> int:
    """Record something that exists and that no record owns; returns the serial."""
    if record.address in store.recorded().records.get(record.stack, {}):
        detail = f"`{record.address}` is recorded in stack `{record.stack}` already. Adopt under another address, or forget that one first."
        raise _refused("address-taken", "The address is taken", detail, record.address)
    return store.edit("adopt", record.stack, [_entry(record=record)])


def _entry(
    record: Record | None = None,
    remove: tuple[StackName, Address] | None = None,
    rename: tuple[StackName, Address, Address] | None = None,
) -> Entry:
    return Entry(_BY_HAND, "done", 0.0, record=record, remove=remove, rename=rename)


def _require(there: Mapping[Address, Record], stack: StackName, address: Address) -> Record:
    if address in there:
        return there[address]
    meant = nearest.nearest(address, there)
    hint = f"did you mean `{meant}`?" if meant else None
    detail = f"stack `{stack}` has no record of `{address}`. `herocloud state list` shows what is recorded."
    raise Refused([Diagnostic("not-recorded", "The address is not recorded", detail, address=address, hint=hint)])


def _refused(code: str, summary: str, detail: str, address: str) -> Refused:
    return Refused([Diagnostic(code, summary, detail, address=address)])
