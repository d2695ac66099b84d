"""Running a plan as a job: approved by what the caller said, told to its events, and turned into a result or an error."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping

from herocloud.apply.inspection import Rest
from herocloud.apply.steering import Interrupts, Options
from herocloud.model.applies import Begun, Caller
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked
from herocloud.model.ids import Address
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.model.worlds import Record
from herocloud.operations import apply, approval, stack_plans, unfinished
from herocloud.operations.apply import Applied, Recovered
from herocloud.operations.callers import Approver, Granted, How, Watch
from herocloud.operations.stack_plans import Planned
from herocloud.rpc.calls import error_answers, error_codes
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.job_runs import Run

LOCK_SECONDS = 600.0
"""A job waits as long as another apply may reasonably take; its caller can cancel it at any time."""
EDIT_LOCK_SECONDS = 5.0


def _refuse_rest(rest: Rest) -> None:
    """Refuse: what another apply has left was not asked for."""
    raise Blocked([unfinished.refusal(rest, "this request is about something else")])


class Decided:
    """An approver that goes by what a request said and never asks; both judges raise for what the request does not cover."""

    asks = False

    def __init__(self, decide: Callable[[Planned], None], decide_rest: Callable[[Rest], None] = _refuse_rest) -> None:
        """Judge plans with `decide`, and what is left of applies that did not end with `decide_rest`."""
        self._decide = decide
        self._decide_rest = decide_rest

    def approve(self, planned: Planned) -> frozenset[Approval]:
        """Return the classes of a plan that the request covers."""
        self._decide(planned)
        return frozenset(approval.missing(planned.plan, ()))

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        """Return the classes of what is left that the request covers."""
        self._decide_rest(rest)
        return frozenset(rest.missing(()))


def how_for(run: Run, options: Options | None = None, environment: Mapping[str, str] = {}) -> How:
    """Return how a job runs its plan; `environment` is what its caller sent for `env:`."""
    caller = Caller(run.job.caller, f"rpc {run.job.method}", run.id)

    def note(text: str) -> None:
        # Mostly it says that the job waits for a lock, and others need not wait with it.
        run.leave_gate()
        run.note(text)

    return How(options or Options(), run.watch, LOCK_SECONDS, note, caller, run.interrupts, environment=environment, tidies=False)


def how_for_edit(desk: Desk, method: str) -> How:
    """Return how a short change is made within a request."""

    @contextlib.contextmanager
    def watch(_plan: Plan, _finished: Collection[str], _begun: Begun) -> Iterator[Callable[[Event], None]]:
        yield lambda _event: None

    return How(Options(), watch, EDIT_LOCK_SECONDS, caller=Caller(desk.caller.name, f"rpc {method}"), interrupts=Interrupts())


def how_for_watch(watch: Watch, caller: Caller) -> How:
    """Return how a plan runs that no request asked for."""
    return How(Options(), watch, LOCK_SECONDS, caller=caller, interrupts=Interrupts())


def only(*addresses: Address) -> Approver:
    """Approve a plan that changes nothing beyond these addresses: a method that names a VM is the consent for that VM alone."""
    allowed = frozenset(addresses)

    def decide(planned: Planned) -> None:
        beyond = [change.address for change in planned.plan.changing if change.address not in allowed and change.kind != "image"]
        if beyond and not planned.plan.errored:
            raise not_approved(planned.plan, {Approval.UPDATE: beyond})

    return Decided(decide)


def classes_of(plan: Plan) -> dict[Approval, list[Address]]:
    """Return what a plan needs to be approved, by class."""
    return {one: [change.address for change in changes] for one, changes in approval.missing(plan, ()).items()}


def within(approved: Collection[Approval]) -> Approver:
    """Approve a plan whose classes are all named."""

    def decide(planned: Planned) -> None:
        lacking = approval.missing(planned.plan, approved)
        if lacking and not planned.plan.errored and not planned.plan.blocked:
            raise not_approved(planned.plan, {one: [change.address for change in changes] for one, changes in lacking.items()})

    return Decided(decide)


def within_rest(approved: Collection[Approval]) -> Approver:
    """Approve what is left of an apply whose classes are all named, and no plan."""

    def decide(planned: Planned) -> None:
        raise not_approved(planned.plan, classes_of(planned.plan))

    def decide_rest(rest: Rest) -> None:
        lacking = rest.missing(approved)
        if lacking:
            words = ", ".join(f'"{kind.value}"' for kind in lacking)
            found = unfinished.refusal(rest, f"`approve` lacks {words}")
            raise _blocked(found, rest.plan, {kind: [change.address for change in changes] for kind, changes in lacking.items()})

    return Decided(decide, decide_rest)


def not_approved(plan: Plan, lacking: dict[Approval, list[Address]]) -> RpcError:
    """Return the error that names the classes to approve."""
    lines = "\n".join(f"{one.value}: {', '.join(f'`{address}`' for address in about) or 'outputs'}" for one, about in lacking.items())
    words = ", ".join(f'"{kind.value}"' for kind in lacking)
    hint = f"`approve: [{words}]` approves them"
    return _blocked(Diagnostic("not-approved", "Not approved", f"Nobody approved these changes:\n{lines}", hint=hint), plan, lacking)


def _blocked(found: Diagnostic, plan: Plan, lacking: Mapping[Approval, list[Address]]) -> RpcError:
    classes = {one.value: list(addresses) for one, addresses in lacking.items()}
    return RpcError(error_codes.BLOCKED, {**error_answers.document([found]), "classes": classes, "plan_id": plan.id})


def run_planned(
    desk: Desk,
    run: Run,
    plan: Callable[[], Planned],
    approver: Approver,
    *,
    options: Options | None = None,
    address: Address | None = None,
    removes: bool = False,
) -> Applied:
    """Make a plan, get it approved, run it, and raise what became of it unless it went well.

    With an `address` it is about this one VM, and runs beside whatever is about others. One that `removes` a whole stack closes an apply of
    it that did not end, as the command line does; any other refuses.
    """
    run.leave_gate = desk.jobs.gate.enter()
    try:
        first = plan()
        stack_plans.refuse_unapplyable(first.plan)
        how = how_for(run, options)._replace(kept=desk.kept)
        applied = apply.run_made(desk.folder, first, plan, how, approver, address=address, recovers=removes)
    finally:
        run.leave_gate()
        desk.sight.forget()
    if applied.recovered is not None:
        require_done(run, applied.recovered)
    require_done(run, applied)
    return applied


def require_done(run: Run, applied: Applied | Recovered) -> None:
    """Raise unless everything was done."""
    result = applied.result
    if result is None:
        return
    if result.interrupted:
        raise RpcError(error_codes.CANCELLED, {**error_answers.document([_cancelled(result)]), "job_id": run.id})
    if result.failed:
        error = error_answers.of_outcomes(result.outcomes, run.id)
        if result.rolled_back:
            run.note("a step failed, and everything that the job did was taken back")
        raise error


def _cancelled(result: Result) -> Diagnostic:
    """Say how far an apply came that was stopped, and what leads on from there."""
    if result.rolled_back:
        return Diagnostic("cancelled", "Cancelled", f"`{result.apply}` was stopped, and all that it had done is taken back.")
    detail = f"`{result.apply}` was stopped before its end, and what it did by then is recorded."
    hint = f"`herocloud resume {result.apply}` goes on with it, `herocloud resume {result.apply} --rollback` takes it back"
    return Diagnostic("cancelled", "Cancelled", detail, hint=hint)


def take_back_unfinished(desk: Desk, run: Run, record: Record) -> None:
    """Take back an apply of one VM that did not end, before the VM is deleted: to delete it is the consent for that too."""
    for pending in unfinished.waiting(desk.reader.pending(), record.stack):
        if pending.address == record.address:
            recovered = apply.resume(desk.folder, how_for(run), Granted(frozenset(Approval)), rollback=True, which=pending.id)
            if recovered is not None:
                require_done(run, recovered)
