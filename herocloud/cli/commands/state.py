"""The `state` commands: reading, editing by hand, cleaning up."""

import time
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, garbage, presentation, requests
from herocloud.cli.command import Call
from herocloud.operations import damage, lookups, record_edits
from herocloud.operations import leftovers as operation

ADDRESS = Annotated[str, flags.argument(metavar="ADDR", help="An address, such as vm.web[0].")]


def list_records(call: Call, stack: flags.Stack = None) -> int:
    """List the records."""
    from herocloud.views import listings

    recorded = lookups.read_recorded(call.folder)
    exit_codes.tell_diagnostics(call.screen, damage.warnings(recorded), quiet=call.quiet)
    presentation.show_listing(call, listings.records(lookups.records_of(recorded, requests.choose_stack(call, stack))))
    return exit_codes.DONE


def show_record(call: Call, address: ADDRESS, stack: flags.Stack = None) -> int:
    """Show one record in full."""
    from herocloud.views import details

    record = lookups.find_record(lookups.read_recorded(call.folder), address, requests.choose_stack(call, stack))
    presentation.show(call, lambda: details.record_document(record), lambda: details.record_text(record, color=call.screen.color_out))
    return exit_codes.DONE


def log(call: Call, stack: flags.Stack = None) -> int:
    """List every change of the state, newest first."""
    from herocloud.views import listings

    presentation.show_listing(call, listings.history(lookups.history(call.folder, requests.choose_stack(call, stack))))
    return exit_codes.DONE


def diff(
    call: Call,
    before: Annotated[str, flags.argument(metavar="A", help="A serial or an apply id of `state log`.")],
    after: Annotated[str, flags.argument(metavar="B", help="Another one.")],
    stack: flags.Stack = None,
) -> int:
    """Compare the state at two serials or after two applies."""
    from herocloud.views import details

    sides = lookups.compare(call.folder, before, after, requests.choose_stack(call, stack))
    presentation.show(call, lambda: details.serials_document(*sides), lambda: details.serials_text(*sides))
    return exit_codes.DONE


def lock(call: Call) -> int:
    """Show who holds a lock: of the host, a stack or a VM."""
    from herocloud.views import details

    holders = lookups.holders(call.folder)
    presentation.show(call, lambda: details.holders_document(holders), lambda: details.holders_text(holders, color=call.screen.color_out))
    return exit_codes.DONE


def move(
    call: Call,
    origin: Annotated[str, flags.argument(metavar="A", help="The address as it is.")],
    target: Annotated[str, flags.argument(metavar="B", help="The new address.")],
    approval: flags.Approving,
    running: flags.Executing,
    stack: flags.Stack = None,
) -> int:
    """Rename a record; the machine goes on running.

    The mark on the machine is changed along, so this is planned, approved (class `update`) and journalled like an apply.
    """
    chosen = requests.choose_stack(call, stack)
    return apply_flow.run_planned(
        call, approval, running, lambda: record_edits.plan_move(call.folder, origin, target, chosen), recovers=False
    )


def remove(
    call: Call,
    address: ADDRESS,
    approval: flags.NeverAsking,  # noqa: ARG001  (a flag that changes nothing)
    stack: flags.Stack = None,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Forget a record; the machine is not touched."""
    how = requests.make_plain_how(call, lock_timeout)
    record = record_edits.remove(call.folder, address, requests.choose_stack(call, stack), how)
    presentation.show(
        call,
        lambda: {"format_version": "1.0", "forgotten": {"stack": record.stack, "address": record.address}},
        lambda: (
            f"Forgot `{record.address}` of stack `{record.stack}`. What it stood for is still there; `herocloud state orphans` lists it."
        ),
    )
    return exit_codes.DONE


def protect(
    call: Call,
    *,
    address: ADDRESS,
    approval: flags.NeverAsking,  # noqa: ARG001  (a flag that changes nothing)
    off: Annotated[bool, flags.option("--off", variable="", help="Take the protection away.")] = False,
    stack: flags.Stack = None,
    lock_timeout: flags.LockTimeout = "30s",
) -> int:
    """Protect a record from deletion and replacement."""
    how = requests.make_plain_how(call, lock_timeout)
    record = record_edits.protect(call.folder, address, requests.choose_stack(call, stack), how, on=not off)
    word = "no longer protected" if off else "protected"
    presentation.show(
        call,
        lambda: {"format_version": "1.0", "stack": record.stack, "address": record.address, "protect": not off},
        lambda: f"`{record.address}` of stack `{record.stack}` is {word}.",
    )
    return exit_codes.DONE


def orphans(call: Call, stack: flags.Stack = None) -> int:
    """List what carries our mark and no record owns."""
    from herocloud.views import listings

    found = [orphan for orphan in operation.find_orphans(call.folder) if stack is None or orphan.thing.stack == stack]
    presentation.show_listing(call, listings.orphans([orphan.thing for orphan in found]))
    foreign = sum(1 for orphan in found if orphan.foreign)
    if foreign:
        call.note(f"{foreign} of them {'carries' if foreign == 1 else 'carry'} the mark of another state and may have an owner there.")
    return exit_codes.DONE


def adopt(
    call: Call, address: ADDRESS, variables: flags.Variables, approval: flags.Approving, running: flags.Executing, stack: flags.Stack = None
) -> int:
    """Take an orphan back into the records.

    Its specification comes from the stack file, or from the last record that this state had of it.
    """
    sources = requests.make_sources(call, variables)
    return apply_flow.run_planned(call, approval, running, lambda: operation.plan_adopt(call.folder, address, stack, sources))


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
    return garbage.clean(call, litter, approval, running)
