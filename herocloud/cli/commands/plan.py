"""`plan`."""

from pathlib import Path
from typing import Annotated

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.commands.apply import Rehearse
from herocloud.cli.invoking import Call
from herocloud.model.errors import Refused
from herocloud.operations import filing, planning


def plan(
    call: Call,
    *,
    variables: flags.Variables,
    wanted: flags.Planning,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    out: Annotated[Path | None, flags.option("--out", "-o", metavar="FILE", help="Save the plan, for `apply FILE`.")] = None,
    destroy: Annotated[bool, flags.option("--destroy", variable="", help="Plan the removal of everything in the stack.")] = False,
    detailed_exitcode: flags.Detailed = False,
    rehearse: Rehearse = False,
) -> int:
    """Show what apply would do; never locks, never changes anything.

    It takes the flags of apply too, so that one set of flags fits both; those about approval and about running have no effect here.
    """
    preparing.make_approved(approval)
    preparing.parse_seconds(running.lock_timeout, "--lock-timeout")
    asked = preparing.make_asked(wanted, destroy=destroy)
    sources = preparing.make_sources(call, variables)
    if rehearse:
        from herocloud.cli import rehearsing

        return rehearsing.rehearse_new(call, sources, asked, running, exports)
    try:
        planned = planning.make_plan(call.folder, sources, asked, make_key=out is not None)
    except Refused as error:
        showing.export_refusal(exports, error)
        if call.json:
            return showing.show_refusal(call, error)
        raise
    showing.show_plan(call, planned.plan, planned.notes)
    showing.export_plan(exports, planned.plan, planned.notes)
    if planned.plan.errored or planned.plan.blocked:
        return ending.code_of(planning.kind_of_refusal(planned.plan)(planned.plan.diagnostics))
    if out is not None:
        filing.write(out, planned.plan)
        call.note(f"\nSaved the plan. To run exactly this: herocloud apply {out}")
    return ending.CHANGES if detailed_exitcode and planning.changes_something(planned.plan) else ending.DONE
