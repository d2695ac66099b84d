"""Commands that run a stack: `apply`, `destroy`, `resume`, `undo`."""

from pathlib import Path
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, requests
from herocloud.cli.command import BadValue, Call
from herocloud.model.errors import Refused
from herocloud.operations import apply as operation
from herocloud.operations import plan_files, reversal, unfinished
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked


def apply(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    planfile: Annotated[Path | None, flags.argument(metavar="[PLANFILE]", help="A plan that `plan --out` saved; never asks.")] = None,
    destroy: Annotated[bool, flags.option("--destroy", variable="", help="Remove everything in the stack.")] = False,
    rehearse: flags.Rehearse = False,
) -> int:
    """Run a saved plan, or plan, ask and run."""
    if planfile is not None:
        return _apply_saved(call, planfile, variables, wanted, running, exports, rehearse=rehearse)
    sources = requests.make_sources(call, variables)
    asked = requests.make_asked(wanted, running, destroy=destroy)
    return _plan_and_run(call, sources, asked, approval, running, exports, rehearse=rehearse)


def _plan_and_run(
    call: Call,
    sources: Sources,
    asked: Asked,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    *,
    rehearse: bool,
) -> int:
    if rehearse:
        return apply_flow.rehearse_new(call, sources, asked, running, exports)
    return apply_flow.run_approved(
        call,
        approval,
        running,
        exports,
        lambda how, approver: operation.plan_and_apply(call.folder, sources, asked, how, approver),
        purge=asked.options.purge,
    )


def _apply_saved(
    call: Call,
    planfile: Path,
    variables: flags.Variables,
    wanted: flags.Planning,
    running: flags.Executing,
    exports: flags.Exports,
    *,
    rehearse: bool,
) -> int:
    given = [
        f"--{name.replace('_', '-')}"
        for name, value in {**variables._asdict(), **wanted._asdict()}.items()
        if value and name not in ("refresh", "purge", "hypervisor")
    ]
    if given:
        raise BadValue(f"a saved plan is run as it is; {', '.join(given)} can only be given when it is made", "PLANFILE")
    plan = plan_files.read(planfile)
    if rehearse:
        return apply_flow.rehearse_saved(call, plan, running, exports)
    with apply_flow.open_streams(call, exports.json_into) as streams:
        how = requests.make_how(call, running, purge=plan.purge, stream=streams.listener)
        if not call.quiet and not call.json:
            call.note(f"Running plan {plan.id} of stack {plan.stack}.")
        try:
            applied = operation.apply_saved(call.folder, plan, how)
        except Refused as error:
            streams.refuse(call, error)
            return exit_codes.code_of(error)
        if applied.plan is not None and applied.result is None and not call.json:
            call.screen.result("No changes.")
        return apply_flow.tell_applied(call, exports, streams, applied)


def destroy(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    stack: flags.Stack = None,
    rehearse: flags.Rehearse = False,
) -> int:
    """Plan and apply the removal of everything in the stack.

    With `--stack NAME` the records are enough and no stack file is read.
    """
    sources = requests.make_sources(call, variables) if stack is None else Sources(())
    asked = requests.make_asked(wanted, running, destroy=True, stack=stack)
    return _plan_and_run(call, sources, asked, approval, running, exports, rehearse=rehearse)


def resume(
    call: Call,
    *,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    apply_id: Annotated[
        str | None, flags.argument(metavar="[APPLY_ID]", help="The apply to go on with, such as apply-12; needed when there are several.")
    ] = None,
    rollback: Annotated[
        bool, flags.option("--rollback", variable="", help="Take back what the interrupted apply did instead of finishing it.")
    ] = False,
    stack: flags.Stack = None,
) -> int:
    """Finish an apply that was interrupted.

    Shows what is left of it, and runs it once that is approved, as `apply` does with a plan.
    """
    chosen = requests.choose_stack(call, stack)
    return apply_flow.resume(
        call,
        approval,
        running,
        exports,
        lambda how, approver: operation.resume(call.folder, how, approver, rollback=rollback, which=apply_id, stack=chosen),
    )


def undo(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    which: Annotated[
        str | None,
        flags.argument(
            metavar="[SERIAL|APPLY_ID]", help="The apply to take back, by its serial or its id; the last one of the stack here by default."
        ),
    ] = None,
) -> int:
    """Take back what an apply did, as a plan of its own.

    An apply that is not finished is rolled back; a finished one is undone by a plan that is shown and approved first.
    """
    stack = requests.stack_here(call)
    pending = unfinished.to_undo(call.folder, which, stack)
    if pending is not None:
        return apply_flow.resume(
            call,
            approval,
            running,
            exports,
            lambda how, approver: operation.resume(call.folder, how, approver, rollback=True, which=pending.id),
        )
    return apply_flow.run_approved(
        call, approval, running, exports, lambda how, approver: reversal.undo(call.folder, which, how, approver, stack=stack)
    )
