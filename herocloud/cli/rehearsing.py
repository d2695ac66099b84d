"""`--rehearse`: shows a plan, runs it on a copy, and says what the run proves."""

from collections.abc import Callable

from herocloud.cli import applying, ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.model.plans import Plan
from herocloud.operations import planning, rehearsing
from herocloud.operations.planning import Asked
from herocloud.operations.rehearsing import Rehearsed
from herocloud.operations.running import How
from herocloud.operations.sources import Sources


def rehearse_new(call: Call, sources: Sources, asked: Asked, running: flags.Executing, exports: flags.Exports) -> int:
    """Plan, and rehearse the plan."""
    planned = planning.make_plan(call.folder, sources, asked)
    return _rehearse(call, planned.plan, running, exports, lambda how: rehearsing.rehearse(planned, asked, how), notes_of=planned)


def rehearse_saved(call: Call, plan: Plan, running: flags.Executing, exports: flags.Exports) -> int:
    """Rehearse a saved plan."""
    return _rehearse(call, plan, running, exports, lambda how: rehearsing.rehearse_saved(call.folder, plan, how))


def _rehearse(
    call: Call,
    plan: Plan,
    running: flags.Executing,
    exports: flags.Exports,
    work: Callable[[How], Rehearsed],
    notes_of: planning.Planned | None = None,
) -> int:
    with applying.open_streams(call, exports.json_into) as streams:
        notes = notes_of.notes if notes_of is not None else ()
        if call.json:
            streams.show_plan(plan, notes)
        else:
            showing.show_plan(call, plan, notes)
        showing.export_plan(exports._replace(json_into=None), plan, notes)
        if not planning.changes_something(plan) and not plan.errored:
            return ending.DONE
        rehearsed = work(preparing.make_how(call, running, purge=plan.purge, stream=streams.listener))
        streams.summarise(plan, rehearsed.result)
        if not rehearsed.result.failed and not rehearsed.result.interrupted and not rehearsed.left:
            _say(
                call,
                "Rehearsed on a simulated copy of the world: every step ran, and a plan after it has no changes. Nothing real was changed.",
            )
            return ending.DONE
        if rehearsed.result.failed or rehearsed.result.interrupted:
            applying.tell_result(call, streams, plan, rehearsed.result, last=False)
        else:
            _say(call, f"Rehearsed on a simulated copy of the world: a plan after it would still change {', '.join(rehearsed.left[:8])}.")
        _say(call, "Nothing real was changed.")
        return ending.INTERRUPTED if rehearsed.result.interrupted else ending.ERROR


def _say(call: Call, text: str) -> None:
    if call.json:
        call.note(text)
    else:
        call.screen.result(f"\n{text}")
