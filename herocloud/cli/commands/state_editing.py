"""`state mv`, `state rm`, `state protect`."""

from typing import Annotated

import typer

from herocloud.cli import applying, ending, flags, preparing, showing
from herocloud.cli.commands.state_reading import ADDRESS
from herocloud.cli.invoking import Call
from herocloud.operations import editing, renaming


def move(
    call: Call,
    origin: Annotated[str, typer.Argument(metavar="A", help="The address as it is.")],
    target: Annotated[str, typer.Argument(metavar="B", help="The address as it shall be.")],
    approval: flags.Approving,
    running: flags.Executing,
    stack: flags.Stack = None,
) -> int:
    """Rename a record; the machine goes on running.

    The mark on the machine is changed along, so this is planned, approved (class `update`) and journalled like an apply.
    """
    chosen = preparing.choose_stack(call, stack)
    return applying.run_planned(call, approval, running, lambda: renaming.plan_move(call.folder, origin, target, chosen), recovers=False)


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
