"""`resume`."""

from typing import Annotated

from herocloud.cli import applying, ending, flags, preparing
from herocloud.cli.invoking import Call
from herocloud.operations import resuming


def resume(
    call: Call,
    *,
    running: flags.Executing,
    exports: flags.Exports,
    rollback: Annotated[
        bool, flags.option("--rollback", variable="", help="Take back what the interrupted apply did instead of finishing it.")
    ] = False,
) -> int:
    """Finish an apply that was interrupted."""
    with applying.open_streams(call, exports.json_into) as streams:
        recovered = resuming.resume(call.folder, preparing.make_how(call, running, stream=streams.listener), rollback=rollback)
        if recovered is None:
            if not call.json:
                call.screen.result("There is nothing to resume: the last apply came to its end.")
            return ending.DONE
        return applying.tell_result(call, streams, recovered.plan, recovered.result, last=True)
