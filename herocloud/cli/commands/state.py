"""The `state` commands: reading, editing by hand, cleaning up."""

import time
from typing import Annotated

from herocloud.cli import applying, cleaning, ending, flags, preparing, showing
from herocloud.cli.calling import Call
from herocloud.operations import cleaning as operation
from herocloud.operations import editing, reading

ADDRESS = Annotated[str, flags.argument(metavar="ADDR", help="An address, such as vm.web[0].")]


def list_records(call: Call, stack: flags.Stack = None) -> int:
    """List the records."""
    from herocloud.views import listings

    recorded = reading.read_recorded(call.folder)
    showing.show_listing(call, listings.records(reading.records_of(recorded, preparing.choose_stack(call, stack))))
    return ending.DONE


def show_record(call: Call, address: ADDRESS, stack: flags.Stack = None) -> int:
    """Show one record in full."""
    from herocloud.views import details

    record = reading.find_record(reading.read_recorded(call.folder), address, preparing.choose_stack(call, stack))
    showing.show(call, lambda: details.record_document(record), lambda: details.record_text(record, color=call.screen.color_out))
    return ending.DONE


def log(call: Call, stack: flags.Stack = None) -> int:
    """List every change of the state, newest first."""
    from herocloud.views import listings

    showing.show_listing(call, listings.history(reading.history(call.folder, preparing.choose_stack(call, stack))))
    return ending.DONE


def diff(
    call: Call,
    before: Annotated[str, flags.argument(metavar="A", help="A serial or an apply id of `state log`.")],
    after: Annotated[str, flags.argument(metavar="B", help="Another one.")],
    stack: flags.Stack = None,
) -> int:
    """Compare the state at two serials or after two applies."""
    from herocloud.views import details

    sides = reading.compare(call.folder, before, after, preparing.choose_stack(call, stack))
    showing.show(call, lambda: details.serials_document(*sides), lambda: details.serials_text(*sides))
    return ending.DONE


def lock(call: Call) -> int:
    """Show who holds a lock: of the host, a stack or a VM."""
    from herocloud.views import details

    found = reading.holders(call.folder)
    showing.show(call, lambda: details.holders_document(found), lambda: details.holders_text(found, color=call.screen.color_out))
    return ending.DONE


def move(
    call: Call,
    origin: Annotated[str, flags.argument(metavar="A", help="The address as it is.")],
    target: Annotated[str, flags.argument(metavar="B", help="The address as it shall be.")],
    approval: flags.Approving,
    running: flags.Executing,
    stack: flags.Stack = None,
) -> int:
    """Rename a record; the machine goes on running.

    The mark on the machine is changed along, so this is planned, approved (class `update`) and journalled like an apply.
    """
    chosen = preparing.choose_stack(call, stack)
    return applying.run_planned(call, approval, running, lambda: editing.plan_move(call.folder, origin, target, chosen), recovers=False)


def remove(call: Call, address: ADDRESS, stack: flags.Stack = None, lock_timeout: flags.LockTimeout = "30s") -> int:
    """Forget a record; the machine is not touched."""
    how = preparing.make_plain_how(call, lock_timeout)
    record = editing.remove(call.folder, address, preparing.choose_stack(call, stack), how)
    showing.show(
        call,
        lambda: {"format_version": "1.0", "forgotten": {"stack": record.stack, "address": record.address}},
        lambda: (
            f"Forgot `{record.address}` of stack `{record.stack}`. What it stood for is still there; `herocloud state orphans` lists it."
        ),
    )
    return ending.DONE


def protect(
    call: Call,
    *,
    address: ADDRESS,
    off: Annotated[bool, flags.option("--off", variable="", help="Take the protection away.")] = False,
    stack: flags.Stack = None,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Protect a record from deletion and replacement."""
    how = preparing.make_plain_how(call, lock_timeout)
    record = editing.protect(call.folder, address, preparing.choose_stack(call, stack), how, on=not off)
    word = "no longer protected" if off else "protected"
    showing.show(
        call,
        lambda: {"format_version": "1.0", "stack": record.stack, "address": record.address, "protect": not off},
        lambda: f"`{record.address}` of stack `{record.stack}` is {word}.",
    )
    return ending.DONE


def orphans(call: Call, stack: flags.Stack = None) -> int:
    """List what carries our mark and no record owns."""
    from herocloud.views import listings

    found = [one for one in operation.find_orphans(call.folder) if stack is None or one.thing.stack == stack]
    showing.show_listing(call, listings.orphans([one.thing for one in found]))
    foreign = sum(1 for one in found if one.foreign)
    if foreign:
        call.note(f"{foreign} of them carry the mark of another state and may have an owner there.")
    return ending.DONE


def adopt(
    call: Call, address: ADDRESS, variables: flags.Variables, approval: flags.Approving, running: flags.Executing, stack: flags.Stack = None
) -> int:
    """Take an orphan back into the records.

    What it shall be comes from the stack file, or from the last record that this state had of it.
    """
    sources = preparing.make_sources(call, variables)
    return applying.run_planned(call, approval, running, lambda: operation.plan_adopt(call.folder, address, stack, sources))


def gc(
    call: Call,
    *,
    approval: flags.Approving,
    running: flags.Executing,
    everything: Annotated[bool, flags.option("--all", variable="", help="Also deleted data whose time has not passed yet.")] = False,
    foreign: Annotated[bool, flags.option("--foreign", variable="", help="Also what carries the mark of another state.")] = False,
    purge: Annotated[bool, flags.switch("--purge", help="Remove the data of orphans at once instead of keeping it for a time.")] = False,
) -> int:
    """Remove orphans and deleted data that is still kept.

    Lists first what would go, and removes it once that is approved (class `destroy`).
    """
    litter = operation.find_litter(call.folder, everything=everything, foreign=foreign, purge=purge, now=time.time())
    return cleaning.clean(call, litter, approval, running)
