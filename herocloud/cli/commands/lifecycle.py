"""Commands that run a stack: `apply`, `destroy`, `resume`, `undo`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from herocloud.cli import apply_flow, exit_codes, flags, requests
from herocloud.cli.command import BadValue, Call
from herocloud.model.errors import Blocked, Refused
from herocloud.model.plans import Plan
from herocloud.operations import apply as operation
from herocloud.operations import approval as operations_approval
from herocloud.operations import plan_files, unfinished
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
    stack: flags.Stack = None,
    rehearse: flags.Rehearse = False,
) -> int:
    """Run a saved plan, or plan, ask and run."""
    if planfile is not None:
        given = {**variables._asdict(), **wanted._asdict(), "file": call.files, "destroy": destroy, "stack": stack}
        return _apply_saved(call, planfile, given, approval, running, exports, rehearse=rehearse)
    asked = requests.make_asked(wanted, running, destroy=destroy, stack=stack)
    sources = requests.make_sources_for(call, variables, asked)
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
    )


def _apply_saved(
    call: Call,
    planfile: Path,
    given: Mapping[str, Any],
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    *,
    rehearse: bool,
) -> int:
    _refuse_what_is_decided(call, planfile, given)
    plan = plan_files.read(planfile)
    _keep_to_classes(call, plan, approval)
    if rehearse:
        return apply_flow.rehearse_saved(call, plan, running, exports)
    with apply_flow.open_streams(call, exports.json_into) as streams:
        how = requests.make_how(call, running, stream=streams.listener)
        streams.show_plan(plan)
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


def _refuse_what_is_decided(call: Call, planfile: Path, given: Mapping[str, Any]) -> None:
    """Refuse flags that ask for another plan than the saved one.

    What the environment and the host file say of `--purge`, `--refresh`, `--hypervisor` and `-f` is meant for plans that are made.
    """
    holds = {"refresh": True, "destroy": False}
    asked = [
        name
        for name, value in given.items()
        if value != holds.get(name) and (name in call.typed or (value and name in ("target", "exclude", "replace")))
    ]
    if not asked or (asked == ["purge"] and plan_files.read(planfile).purge is given["purge"]):
        return
    spelled = {"file": requests.FILE_FLAG, "refresh": "--no-refresh", "purge": "--purge" if given["purge"] else "--purge=false"}
    names = ", ".join(spelled.get(name) or f"--{name.replace('_', '-')}" for name in asked)
    again = f"give {'it' if len(asked) == 1 else 'them'} to `herocloud plan --out {planfile}`, which makes it again"
    raise BadValue(f"a saved plan is run as it is; {names} can only be given when it is made: {again}", "PLANFILE")


def _keep_to_classes(call: Call, plan: Plan, approval: flags.Approving) -> None:
    """Refuse a plan that needs more than the classes that were typed beside it; saving it approved the rest as well."""
    approved = requests.make_approved(approval)
    if "approve" in call.typed and not plan.errored and not plan.blocked and operations_approval.missing(plan, approved):
        raise Blocked([operations_approval.refusal(plan, approved, "`--approve` beside a saved plan is a limit")])


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
    asked = requests.make_asked(wanted, running, destroy=True, stack=stack)
    sources = requests.make_sources_for(call, variables, asked)
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
    from herocloud.cli.commands import vm_copies

    chosen = requests.choose_stack(call, stack) if apply_id is None or stack is not None else None

    def go_on(call: Call) -> int:
        code = apply_flow.resume(
            call,
            approval,
            running,
            exports,
            lambda how, approver: operation.resume(call.folder, how, approver, rollback=rollback, which=apply_id, stack=chosen),
            lambda: operation.last_failed(call.folder, chosen),
        )
        return code or vm_copies.delete_left(call, running)

    return apply_flow.run_in_one_stream(call, exports.json_into, go_on)


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
    named = "name what to take back by its serial or id, which `herocloud state log --stack NAME` lists"
    stack = None if which is not None else requests.stack_here(call, named)
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
        call, approval, running, exports, lambda how, approver: operation.undo(call.folder, which, how, approver, stack=stack)
    )
