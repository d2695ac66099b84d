"""`destroy`."""

from herocloud.cli import applying, flags, preparing
from herocloud.cli.commands.apply import Rehearse
from herocloud.cli.invoking import Call
from herocloud.operations import applying as operation
from herocloud.operations.sources import Sources


def destroy(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    stack: flags.Stack = None,
    rehearse: Rehearse = False,
) -> int:
    """Plan and apply the removal of everything in the stack.

    With `--stack NAME` the records are enough and no stack file is read.
    """
    sources = preparing.make_sources(call, variables) if stack is None else Sources(())
    asked = preparing.make_asked(wanted, destroy=True, stack=stack)
    if rehearse:
        from herocloud.cli import rehearsing

        return rehearsing.rehearse_new(call, sources, asked, running, exports)
    return applying.run_approved(
        call,
        approval,
        running,
        exports,
        lambda how, decide: operation.plan_and_apply(call.folder, sources, asked, how, decide),
        purge=wanted.purge,
    )
