"""What `apply`, `destroy`, `undo`, `state adopt` and the commands on VMs share: show a plan, get it approved, run it, tell how it went."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from herocloud.cli import asking, ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import HerocloudError, Refused
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.operations import applying as operation
from herocloud.operations import planning
from herocloud.operations.applying import Applied
from herocloud.operations.planning import Planned
from herocloud.operations.running import How
from herocloud.views.events import Stream
from herocloud.views.writing import Outlet


class Streams:
    """The event stream of one command, if it has one: on stdout with `--json`, into the file of `--json-into`, or both."""

    def __init__(self, found: Stream | None) -> None:
        """Begin with the first line; without a stream nothing is written."""
        self._found = found
        if found is not None:
            found.version()

    @property
    def listener(self) -> Callable[[Event], None] | None:
        """Return who hears of each event; nobody without a stream."""
        return self._found.tell if self._found is not None else None

    def show_plan(self, plan: Plan, notes: Sequence[Diagnostic] = ()) -> None:
        """Tell what is planned."""
        if self._found is not None:
            self._found.diagnose(notes)
            self._found.plan(plan)

    def refuse(self, call: Call, error: HerocloudError) -> None:
        """Tell why nothing was done; with a stream on stdout nothing else may go there."""
        found = ending.diagnostics_of(error)
        ending.tell_diagnostics(call.screen, found)
        if self._found is not None:
            self._found.diagnose(found)

    def summarise(self, plan: Plan, result: Result) -> None:
        """Tell how it ended."""
        if self._found is not None:
            self._found.summarise(plan, result)


@contextlib.contextmanager
def open_streams(call: Call, into: Path | None) -> Iterator[Streams]:
    """Open the stream that was asked for."""
    with contextlib.ExitStack() as stack:
        outlets = [Outlet(call.screen.result_sink())] if call.json else []
        file = None
        if into is not None:
            sink: TextIO = stack.enter_context(into.open("w", encoding="utf-8"))
            file = Outlet(sink)
            outlets.append(file)
        yield Streams(Stream(*outlets) if outlets else None)
        if file is not None and file.broken is not None:
            call.screen.talk(f"warning: `{into}` is not whole: {file.broken}")


def run_approved(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    work: Callable[[How, Callable[[Planned], None]], Applied],
    *,
    purge: bool = False,
) -> int:
    """Do the work with a plan that is shown and approved first, and return the exit code."""
    approved = preparing.make_approved(approval)
    with open_streams(call, exports.json_into) as streams:
        hopeless: list[Plan] = []

        def decide(planned: Planned) -> None:
            plan = planned.plan
            streams.show_plan(plan, planned.notes)
            if call.json:
                ending.tell_diagnostics(call.screen, [*planned.notes, *plan.diagnostics], quiet=call.quiet)
            else:
                showing.show_plan(call, plan, planned.notes)
            showing.export_plan(exports._replace(json_into=None), plan, planned.notes)
            if plan.errored or plan.blocked:
                hopeless.append(plan)
            elif planning.changes_something(plan):
                asking.get_approval(call, plan, approved, may_ask=approval.input)

        how = preparing.make_how(call, running, purge=purge, stream=streams.listener)
        try:
            return tell_applied(call, exports, streams, work(how, decide))
        except Refused as error:
            if not hopeless:
                streams.refuse(call, error)
                showing.export_refusal(exports._replace(json_into=None), error)
            # What stands against a plan that was shown has been said with it.
            return ending.code_of(error)


def run_planned(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    plan: Callable[[], Planned],
    *,
    purge: bool = False,
    recovers: bool = True,
) -> int:
    """Make a plan, get it approved, run it: every imperative command. Without `recovers` it refuses while an apply is unfinished."""
    return run_approved(
        call,
        approval,
        running,
        flags.Exports(),
        lambda how, decide: operation.run_made(call.folder, plan(), plan, how, decide, recovers=recovers),
        purge=purge,
    )


def tell_applied(call: Call, exports: flags.Exports, streams: Streams, applied: Applied) -> int:
    """Show how everything ended, and return the exit code."""
    code = ending.DONE
    if applied.recovered is not None:
        code = tell_result(call, streams, applied.recovered.plan, applied.recovered.result, last=applied.plan is None)
    if applied.plan is None:
        return code
    if applied.result is None:
        nothing = Result(applied.plan.id, (), 0.0)
        streams.summarise(applied.plan, nothing)
        return ending.DONE
    showing.export_result(exports, applied.plan, applied.result)
    return tell_result(call, streams, applied.plan, applied.result, last=True)


def tell_result(call: Call, streams: Streams, plan: Plan, result: Result, *, last: bool) -> int:
    """Show how one apply ended; only the last one of a command has a summary in the stream."""
    from herocloud.views import results

    if last:
        streams.summarise(plan, result)
    # Outputs are what applies are made for; behind `vm stop` they would only be noise.
    shown = plan if plan.operation in ("apply", "destroy") else plan._replace(outputs={})
    text = results.render(shown, result, color=call.screen.color_err if call.json else call.screen.color_out)
    if call.json:
        call.note(text)
    else:
        call.screen.result(f"\n{text}")
    return code_of(result)


def code_of(result: Result) -> int:
    """Return the exit code of a result."""
    from herocloud.model.words import Status

    if result.interrupted:
        return ending.INTERRUPTED
    if not result.failed:
        return ending.DONE
    return ending.PARTLY if result.tally(Status.DONE) and not result.rolled_back else ending.ERROR
