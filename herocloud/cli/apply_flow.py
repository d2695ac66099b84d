"""What all commands that apply share: show a plan, get it approved, run it or rehearse it, report how it went."""

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from herocloud.apply.inspection import Rest
from herocloud.cli import exit_codes, flags, presentation, requests, terminal
from herocloud.cli.command import Call
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, HerocloudError, Refused
from herocloud.model.ids import Address
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import apply as operation
from herocloud.operations import approval as operations_approval
from herocloud.operations import resumption, stack_plans, trials, unfinished
from herocloud.operations.apply import Applied, Recovered
from herocloud.operations.approval import Question
from herocloud.operations.callers import Approver, How
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.operations.trials import Rehearsed
from herocloud.views.events import Stream
from herocloud.views.writer import Outlet


class Asking:
    """Gets plans approved by flags, or by a person at a terminal, each shown before it is approved."""

    def __init__(self, call: Call, streams: "Streams", exports: flags.Exports, approval: flags.Approving) -> None:
        """Show plans on the screen of this command and in its exports."""
        self._call, self._streams, self._exports = call, streams, exports
        self._may_ask = approval.input
        self._approved = requests.make_approved(approval)
        self.hopeless = False
        """Whether a plan was shown that cannot be applied: then what stands against it has been said."""

    @property
    def asks(self) -> bool:
        """Whether there is somebody at a terminal."""
        return _why_not_asked(self._call, may_ask=self._may_ask) is None

    def approve(self, planned: Planned) -> frozenset[Approval]:
        """Show a plan and get it approved; raises Blocked with what to write, or after another answer than the right one."""
        call, plan = self._call, planned.plan
        if planned.because is not None:
            self._streams.explain(planned.because)
            if call.quiet and self.asks:
                # Everybody else has read it as a note.
                call.screen.talk(f"note: {planned.because.summary}: {planned.because.detail}")
        _show(call, self._streams, self._exports, plan, planned.notes)
        if plan.errored or plan.blocked:
            self.hopeless = True
            return self._approved
        lacking = operations_approval.missing(plan, self._approved) if stack_plans.changes_something(plan) else {}
        if not lacking:
            return self._approved
        silent = _why_not_asked(call, may_ask=self._may_ask)
        if silent is not None:
            raise Blocked([operations_approval.refusal(plan, self._approved, silent)])
        asked = operations_approval.question(plan, lacking)
        if not asked.accepts(_answer(call, _words(f"Run this plan of stack `{plan.stack}`?", asked))):
            raise Blocked([operations_approval.declined(asked, lacking)])
        return self._approved | lacking.keys()

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        """Show what is left of an apply, and get exactly that approved."""
        from herocloud.views import remainders

        call = self._call
        self._streams.show_rest(rest)
        if not call.json:
            call.screen.result(remainders.render(rest, color=call.screen.color_out))
        lacking = rest.missing(self._approved)
        if not lacking:
            return self._approved
        silent = _why_not_asked(call, may_ask=self._may_ask)
        if silent is not None:
            raise Blocked([unfinished.refusal(rest, silent)])
        asked = operations_approval.question_about(rest.plan.stack, lacking)
        words = f"{'Take back' if rest.rollback else 'Finish'} this apply of stack `{rest.plan.stack}`?"
        if not asked.accepts(_answer(call, _words(words, asked))):
            raise Blocked([operations_approval.declined(asked, lacking)])
        return self._approved | lacking.keys()


def get_removal_approved(call: Call, names: Sequence[str], approved: Collection[Approval], *, may_ask: bool) -> None:
    """Return when the removal of things without a record is approved."""
    if Approval.DESTROY in approved:
        return
    shown = ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    silent = _why_not_asked(call, may_ask=may_ask)
    if silent is not None:
        detail = f"Nobody approved the removal of {shown}, and {silent}."
        raise Blocked([Diagnostic("not-approved", "Not approved", detail, hint="`--approve destroy` or `-y` approves it")])
    if _answer(call, f"\nRemove {shown} for good? Type `yes` to continue: ") != "yes":
        raise Blocked([Diagnostic("not-approved", "Not approved", "The answer was not `yes`; nothing was removed.")])


def _show(call: Call, streams: "Streams", exports: flags.Exports, plan: Plan, notes: Sequence[Diagnostic]) -> None:
    """Show a plan that is going to run, in every form that was asked for."""
    streams.show_plan(plan, notes)
    if call.json:
        exit_codes.tell_diagnostics(call.screen, [*notes, *plan.diagnostics], quiet=call.quiet)
    else:
        presentation.show_plan(call, plan, notes)
    presentation.export_plan(exports._replace(json_into=None), plan, notes)


def _why_not_asked(call: Call, *, may_ask: bool) -> str | None:
    """Say why nobody can be asked; nothing when somebody can."""
    if not may_ask:
        return "`--no-input` forbids to ask"
    if call.json:
        return "`--json` never asks"
    return None if terminal.can_ask() else operations_approval.NO_TERMINAL


def _words(question: str, asked: Question) -> str:
    if not asked.loses_data:
        return f"\n{question} Type `yes` to continue: "
    what = ", ".join(f"`{address}`" for address in asked.addresses[:8])
    more = f" and {len(asked.addresses) - 8} more" if len(asked.addresses) > 8 else ""
    whose = "its name" if len(asked.addresses) == 1 else "the name of the stack"
    return f"\nThe data of {what}{more} would be destroyed. Type {whose}, `{asked.word}`, to approve: "


def _answer(call: Call, words: str) -> str:
    call.screen.raw_talk(words)
    line = sys.stdin.readline()
    if not line:
        # The line was closed without an answer; the next line of output should not stand behind the question.
        call.screen.raw_talk("\n")
    return line.strip()


class Streams:
    """The event stream of one command, if it has one: on stdout with `--json`, into the file of `--json-into`, or both."""

    def __init__(self, found: Stream | None) -> None:
        """Write to this stream; without one nothing is written."""
        self._found = found

    @property
    def stream(self) -> Stream | None:
        """Return the stream itself, for a command that opens it for all that it runs."""
        return self._found

    @property
    def listener(self) -> Callable[[Event], None] | None:
        """Return who hears of each event; nobody without a stream."""
        return self._found.tell if self._found is not None else None

    def show_plan(self, plan: Plan, notes: Sequence[Diagnostic] = ()) -> None:
        """Tell what is planned."""
        if self._found is not None:
            self._found.diagnose(notes)
            self._found.plan(plan)

    def explain(self, because: Diagnostic) -> None:
        """Tell why the plan that follows is another one than the one before."""
        if self._found is not None:
            self._found.diagnose([because])

    def show_rest(self, rest: Rest) -> None:
        """Tell what is left of an apply."""
        if self._found is not None:
            self._found.rest(rest)

    def note(self, text: str) -> None:
        """Tell something that belongs to no step."""
        if self._found is not None:
            self._found.tell(Event("note", detail=text))

    def refuse(self, call: Call, error: HerocloudError) -> None:
        """Tell why nothing was done; with a stream on stdout nothing else may go there."""
        diagnostics = exit_codes.diagnostics_of(error)
        exit_codes.tell_diagnostics(call.screen, diagnostics)
        if self._found is not None:
            self._found.diagnose(diagnostics)

    def summarise(self, plan: Plan, result: Result) -> None:
        """Tell how it ended."""
        if self._found is not None:
            self._found.summarise(plan, result)


@contextlib.contextmanager
def open_streams(call: Call, into: Path | None) -> Iterator[Streams]:
    """Open the stream that was asked for, and write its first line, unless the command has one open."""
    if call.stream is not None:
        yield Streams(call.stream)
        return
    with contextlib.ExitStack() as stack:
        outlets = [Outlet(call.screen.result_sink())] if call.json else []
        file = None
        if into is not None:
            file = Outlet(stack.enter_context(presentation.open_file(into)))
            outlets.append(file)
        stream = Stream(*outlets) if outlets else None
        if stream is not None:
            stream.version()
        yield Streams(stream)
        if file is not None and file.broken is not None:
            call.screen.talk(f"warning: `{into}` is not whole: {file.broken}")


def run_in_one_stream(call: Call, into: Path | None, work: Callable[[Call], int]) -> int:
    """Run a command whose output is one stream with one count of lines, whatever it runs on the way; returns the exit code."""
    with open_streams(call, into) as streams:
        try:
            return work(call._replace(stream=streams.stream))
        except Refused as error:
            streams.refuse(call, error)
            return exit_codes.code_of(error)


def run_approved(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    work: Callable[[How, Approver], Applied],
    *,
    shutdown: float | None = None,
) -> int:
    """Do the work with a plan that is shown and approved first, and return the exit code."""
    with open_streams(call, exports.json_into) as streams:
        asking = Asking(call, streams, exports, approval)
        how = requests.make_how(call, running, shutdown=shutdown, stream=streams.listener)
        try:
            return tell_applied(call, exports, streams, work(how, asking))
        except Refused as error:
            if not asking.hopeless:
                streams.refuse(call, error)
                presentation.export_refusal(exports._replace(json_into=None), error)
            # What stands against a plan that was shown has been said with it.
            return exit_codes.code_of(error)


def resume(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    exports: flags.Exports,
    work: Callable[[How, Approver], Recovered | None],
    failed: Callable[[], str] = str,
) -> int:
    """Go on with an unfinished apply once what is left is approved, and return the exit code.

    `failed` names the last apply where nothing is left to go on with, and it did not succeed.
    """
    with open_streams(call, exports.json_into) as streams:
        how = requests.make_how(call, running, stream=streams.listener)
        try:
            recovered = work(how, Asking(call, streams, exports, approval))
        except Refused as error:
            streams.refuse(call, error)
            return exit_codes.code_of(error)
        if recovered is None:
            text = resumption.say_nothing_to_resume(failed())
            streams.note(text)
            if not call.json:
                call.screen.result(text)
            return exit_codes.DONE
        presentation.export_result(exports, recovered.plan, recovered.result)
        return tell_result(call, streams, recovered.plan, recovered.result, last=True)


def run_planned(
    call: Call,
    approval: flags.Approving,
    running: flags.Executing,
    plan: Callable[[], Planned],
    *,
    recovers: bool = True,
    one_vm: bool = False,
    shutdown: float | None = None,
) -> int:
    """Make a plan, get it approved, run it: every imperative command.

    Without `recovers` it refuses while an apply of the stack is unfinished; `one_vm` says that it is about one VM and locks only that.
    `shutdown` is how many seconds guests have to shut down.
    """

    def work(how: How, approver: Approver) -> Applied:
        planned = plan()
        address = _only_address(planned.plan) if one_vm else None
        return operation.run_made(call.folder, planned, plan, how, approver, address=address, recovers=recovers)

    return run_approved(call, approval, running, flags.Exports(), work, shutdown=shutdown)


def _only_address(plan: Plan) -> Address | None:
    """Return the VM that a plan is about; nothing when it touches more, and then the whole stack is locked."""
    addresses = {change.address for change in plan.changing}
    return addresses.pop() if len(addresses) == 1 else None


def tell_applied(call: Call, exports: flags.Exports, streams: Streams, applied: Applied) -> int:
    """Show how everything ended, and return the exit code."""
    code = exit_codes.DONE
    if applied.recovered is not None:
        code = tell_result(call, streams, applied.recovered.plan, applied.recovered.result, last=applied.plan is None)
    if applied.plan is None:
        return code
    if applied.result is None:
        nothing = Result(applied.plan.id, (), 0.0)
        streams.summarise(applied.plan, nothing)
        return exit_codes.DONE
    presentation.export_result(exports, applied.plan, applied.result)
    return tell_result(call, streams, applied.plan, applied.result, last=True)


def tell_result(call: Call, streams: Streams, plan: Plan, result: Result, *, last: bool) -> int:
    """Show how one apply ended; only the last one of a command has a summary in the stream."""
    from herocloud.plan import annotation
    from herocloud.views import results

    if last:
        streams.summarise(plan, result)
    # Outputs are what applies are made for; behind `vm stop` they would only be noise.
    shown = plan if plan.operation in ("apply", "destroy") else annotation.without_outputs(plan)
    text = results.render(shown, result, color=call.screen.color_err if call.json else call.screen.color_out)
    if call.json:
        call.note(text)
    else:
        call.screen.result(f"\n{text}")
    return code_of(result)


def code_of(result: Result) -> int:
    """Return the exit code of a result."""
    if result.interrupted:
        return exit_codes.INTERRUPTED
    if not result.failed:
        return exit_codes.DONE
    return exit_codes.PARTLY if result.has_effect and not result.rolled_back else exit_codes.ERROR


_Prepared = tuple[Plan, Sequence[Diagnostic], Callable[[How], Rehearsed]]


def rehearse_new(call: Call, sources: Sources, asked: Asked, running: flags.Executing, exports: flags.Exports) -> int:
    """Plan, and rehearse the plan."""

    def prepare() -> _Prepared:
        planned = stack_plans.make_plan(call.folder, sources, asked)
        return planned.plan, planned.notes, lambda how: trials.rehearse(planned, asked, how)

    return _rehearse(call, running, exports, prepare)


def rehearse_saved(call: Call, plan: Plan, running: flags.Executing, exports: flags.Exports) -> int:
    """Rehearse a saved plan."""
    return _rehearse(call, running, exports, lambda: (plan, (), lambda how: trials.rehearse_saved(call.folder, plan, how)))


def _rehearse(call: Call, running: flags.Executing, exports: flags.Exports, prepare: Callable[[], _Prepared]) -> int:
    with open_streams(call, exports.json_into) as streams:
        try:
            plan, notes, work = prepare()
            _show(call, streams, exports, plan, notes)
            if plan.errored or plan.blocked:
                return exit_codes.code_of(stack_plans.kind_of_refusal(plan)(plan.diagnostics))
            if not stack_plans.changes_something(plan):
                streams.summarise(plan, Result(plan.id, (), 0.0))
                return exit_codes.DONE
            rehearsed = work(requests.make_how(call, running, stream=streams.listener))
        except Refused as error:
            streams.refuse(call, error)
            presentation.export_refusal(exports._replace(json_into=None), error)
            return exit_codes.code_of(error)
        streams.summarise(plan, rehearsed.result)
        if not rehearsed.result.failed and not rehearsed.result.interrupted and not rehearsed.left:
            _say(
                call,
                "Rehearsed on a simulated copy of the world: every step ran, and a plan after it has no changes. Nothing real was changed.",
            )
            return exit_codes.DONE
        if rehearsed.result.failed or rehearsed.result.interrupted:
            tell_result(call, streams, plan, rehearsed.result, last=False)
        else:
            _say(call, f"Rehearsed on a simulated copy of the world: a plan after it would still change {', '.join(rehearsed.left[:8])}.")
        _say(call, "Nothing real was changed.")
        return exit_codes.INTERRUPTED if rehearsed.result.interrupted else exit_codes.ERROR


def _say(call: Call, text: str) -> None:
    if call.json:
        call.note(text)
    else:
        call.screen.result(f"\n{text}")
