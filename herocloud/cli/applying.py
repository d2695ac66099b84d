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


class Streams:
    """The event streams of one command: on stdout with `--json`, and into the file of `--json-into`."""

    def __init__(self, found: list[Stream]) -> None:
        """Begin every stream with its first line."""
        self._found = found
        for stream in found:
            stream.version()

    @property
    def listener(self) -> Callable[[Event], None] | None:
        """Return who hears of each event; nobody without a stream."""
        return self._tell if self._found else None

    def _tell(self, event: Event) -> None:
        for stream in self._found:
            stream.tell(event)

    def show_plan(self, plan: Plan, notes: Sequence[Diagnostic] = ()) -> None:
        """Tell what is planned."""
        for stream in self._found:
            stream.diagnose(notes)
            stream.plan(plan)

    def refuse(self, call: Call, error: HerocloudError) -> None:
        """Tell why nothing was done; with a stream on stdout nothing else may go there."""
        found = ending.diagnostics_of(error)
        ending.tell_diagnostics(call.screen, found)
        for stream in self._found:
            stream.diagnose(found)

    def summarise(self, plan: Plan, result: Result) -> None:
        """Tell how it ended."""
        for stream in self._found:
            stream.summarise(plan, result)


@contextlib.contextmanager
def open_streams(call: Call, into: Path | None) -> Iterator[Streams]:
    """Open the streams that were asked for."""
    with contextlib.ExitStack() as stack:
        found = [Stream(call.screen.result_sink())] if call.json else []
        if into is not None:
            sink: TextIO = stack.enter_context(into.open("w", encoding="utf-8"))
            found.append(Stream(sink))
        yield Streams(found)
        for stream in found:
            if stream.broken is not None and into is not None:
                call.screen.talk(f"warning: `{into}` is not whole: {stream.broken}")


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
    call: Call, approval: flags.Approving, running: flags.Executing, plan: Callable[[], Planned], *, purge: bool = False
) -> int:
    """Make a plan, get it approved, run it: every imperative command."""
    return run_approved(
        call,
        approval,
        running,
        flags.Exports(),
        lambda how, decide: operation.run_made(call.folder, plan(), plan, how, decide),
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
