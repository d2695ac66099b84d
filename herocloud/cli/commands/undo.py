"""`undo`."""

from typing import Annotated

import typer

from herocloud.cli import applying, flags, preparing
from herocloud.cli.invoking import Call
from herocloud.operations import reading, resuming, undoing
from herocloud.operations.applying import Applied


def undo(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    plan_id: Annotated[
        str | None, typer.Argument(metavar="[PLAN_ID]", help="The plan whose apply to take back; the last one by default.")
    ] = None,
) -> int:
    """Take back what an apply did, as a plan of its own.

    An apply that is not finished is rolled back; a finished one is undone by a plan that is shown and approved first.
    """
    unfinished = reading.read_recorded(call.folder).unfinished
    if unfinished is not None and (plan_id is None or unfinished.startswith(plan_id)):
        with applying.open_streams(call, exports.json_into) as streams:
            recovered = resuming.resume(call.folder, preparing.make_how(call, running, stream=streams.listener), rollback=True)
            return applying.tell_applied(call, exports, streams, Applied(None, None, recovered))
    return applying.run_approved(call, approval, running, exports, lambda how, decide: undoing.undo(call.folder, plan_id, how, decide))
