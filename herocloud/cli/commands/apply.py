"""`apply`."""

from pathlib import Path
from typing import Annotated

import typer

from herocloud.cli import applying, ending, flags, preparing
from herocloud.cli.invoking import Call
from herocloud.model.errors import Refused
from herocloud.operations import applying as operation
from herocloud.operations import filing

Rehearse = Annotated[
    bool,
    flags.switch("--rehearse", help="Run against a simulated copy of the world, prove that nothing is left to do, and change nothing."),
]


def apply(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    planfile: Annotated[Path | None, typer.Argument(metavar="[PLANFILE]", help="A plan that `plan --out` saved; never asks.")] = None,
    destroy: Annotated[bool, flags.option("--destroy", variable="", help="Remove everything in the stack.")] = False,
    rehearse: Rehearse = False,
) -> int:
    """Run a saved plan, or plan, ask and run."""
    if planfile is not None:
        return _apply_saved(call, planfile, variables, wanted, running, exports, rehearse=rehearse)
    sources = preparing.make_sources(call, variables)
    asked = preparing.make_asked(wanted, destroy=destroy)
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
        raise typer.BadParameter(
            f"a saved plan is run as it is; {', '.join(given)} can only be given when it is made", param_hint="PLANFILE"
        )
    plan = filing.read(planfile)
    if rehearse:
        from herocloud.cli import rehearsing

        return rehearsing.rehearse_saved(call, plan, running, exports)
    with applying.open_streams(call, exports.json_into) as streams:
        how = preparing.make_how(call, running, purge=plan.purge, stream=streams.listener)
        if not call.quiet and not call.json:
            call.note(f"Running plan {plan.id} of stack {plan.stack}.")
        try:
            applied = operation.apply_saved(call.folder, plan, how)
        except Refused as error:
            streams.refuse(call, error)
            return ending.code_of(error)
        if applied.plan is not None and applied.result is None and not call.json:
            call.screen.result("No changes.")
        return applying.tell_applied(call, exports, streams, applied)
