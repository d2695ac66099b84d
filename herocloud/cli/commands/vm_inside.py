"""`vm logs`, `vm exec`, `vm console`: what needs something that really runs inside of a VM."""

from typing import Annotated

import typer

from herocloud.cli import flags, preparing
from herocloud.cli.commands.vms import VM
from herocloud.cli.invoking import Call
from herocloud.operations import entering


def logs(
    call: Call,
    *,
    name: VM,
    follow: Annotated[bool, flags.option("--follow", variable="", help="Go on as more is written.")] = False,
    lines: Annotated[int, flags.option("--lines", variable="", metavar="N", min=0, help="How many of the last lines; 100.")] = 100,
    stack: flags.Stack = None,
) -> int:
    """Show what a VM wrote to its console."""
    del follow, lines
    return entering.require_guest(call.folder, name, preparing.choose_stack(call, stack), "logs")


def execute(
    call: Call,
    name: VM,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What to run, behind `--`.")],
    stack: flags.Stack = None,
) -> int:
    """Run a program inside a VM."""
    del command
    return entering.require_guest(call.folder, name, preparing.choose_stack(call, stack), "exec")


def console(call: Call, name: VM, stack: flags.Stack = None) -> int:
    """Attach to the console of a VM."""
    return entering.require_guest(call.folder, name, preparing.choose_stack(call, stack), "console")
