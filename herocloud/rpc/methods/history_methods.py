"""What was done, taken back, and gone on with."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.model.words import Approval
from herocloud.model.worlds import Record
from herocloud.operations import apply, lookups, resumption, reversal, unfinished
from herocloud.rpc.calls import advice, error_answers
from herocloud.rpc.calls.error_codes import DOES_NOT_FIT, IMAGE_ERROR, NOT_FOUND, WRONG_STATE
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_marks import SECRET_LABEL
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos, stack_methods
from herocloud.rpc.methods.answers import IdempotencyKey, JobInfo, LogEntry, OrphanInfo, Secret, UnfinishedInfo, Wait
from herocloud.rpc.methods.stack_methods import Approve, Environment, StackText
from herocloud.rpc.methods.vm_methods import _JOB, CHANGING

_ENTRY = {
    "serial": 1,
    "at": 0.0,
    "user": "root",
    "command": "rpc deploy_vm",
    "stack": "imperative",
    "apply": "apply-1",
    "operation": "vm deploy",
    "plan_id": "0",
    "added": 2,
    "changed": 0,
    "destroyed": 0,
    "replaced": 0,
    "outcome": "done",
    "seconds": 0.1,
}


@declare("stacks", example=Example({"stack": "imperative", "limit": 1}, [_ENTRY]), errors=(NOT_FOUND, WRONG_STATE))
def state_log(
    desk: Desk,
    stack: StackText | None = None,
    limit: Annotated[int, Field(ge=1, le=1000, description="How many to return at most.")] = 100,
    secret: Secret = "",
) -> list[LogEntry]:
    """Return what changed the state, newest first: who did what, and how it ended.

    What was done to VMs behind other secrets is left out.
    """
    digest = desk.digest(secret)
    hidden = _hidden(desk, digest)
    versions = [version for version in lookups.history(desk.folder, stack) if version.serial not in hidden]
    if stack is not None and not any(version.stack == stack for version in versions):
        # Of a stack whose history is thrown away there may still be records.
        stack_methods.require_known(desk, stack, digest)
    return [
        LogEntry(
            serial=version.serial,
            at=version.at,
            user=version.user,
            command=version.command,
            stack=version.stack,
            apply=version.apply,
            operation=version.operation,
            plan_id=version.plan,
            added=version.added,
            changed=version.changed,
            destroyed=version.destroyed,
            replaced=version.replaced,
            outcome=version.outcome,
            seconds=version.seconds,
        )
        for version in versions[:limit]
    ]


def _hidden(desk: Desk, digest: str | None) -> frozenset[int]:
    """Return the serials of what was done to VMs that the caller may not know of."""

    def is_hidden(record: Record) -> bool:
        now = desk.recorded.records.get(record.stack, {}).get(record.address)
        # What a VM was under an earlier secret belongs to the holder of the present one.
        migrated = now is not None and digest is not None and secret_of(now) == digest
        return not migrated and not desk.sees(record, digest)

    return lookups.serials_of(desk.folder, SECRET_LABEL, is_hidden)


@declare("stacks", example=Example({}, []), errors=(WRONG_STATE,))
def list_unfinished(desk: Desk, secret: Secret = "") -> list[UnfinishedInfo]:
    """Return the applies that did not end and on which nobody works; `resume_stack` goes on with one or takes it back."""
    return infos.unfinished_infos(desk, None, desk.digest(secret))


@declare("stacks", example=Example({}, []), errors=(WRONG_STATE,))
def list_orphans(desk: Desk, secret: Secret = "") -> list[OrphanInfo]:
    """Return what carries our mark and no record owns, as where an older state was put back.

    It keeps running, and what it holds is given to nobody. `herocloud state adopt` records it again, `herocloud state gc` removes it.
    """
    return infos.orphan_infos(desk, desk.digest(secret))


@declare(
    "stacks",
    example=Example(
        {"which": None, "stack": "shop", "approve": ["create"], "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "undo", "stack": "shop", "address": None, "sid": None},
    ),
    errors=(*CHANGING, DOES_NOT_FIT, IMAGE_ERROR),
)
def undo(
    desk: Desk,
    which: Annotated[
        str | None,
        Field(max_length=128, description="A serial, the name of an apply (`apply-12`) or a plan id; the stack's newest apply by default."),
    ] = None,
    stack: StackText | None = None,
    approve: Approve = [],  # noqa: B006
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    secret: Secret = "",
    environment: Environment = {},  # noqa: B006
) -> JobInfo:
    """Take back what an apply did, as a plan of its own that needs its own approval."""
    chosen = _choose(desk, which, stack, secret)
    owner = desk.digest(secret) if chosen.hidden else None
    approved = frozenset(Approval(word) for word in approve)

    def run_it(run: Run) -> Json:
        how = work.how_for(run, environment=environment)
        try:
            applied = apply.undo(desk.folder, chosen.apply, how, work.within(approved))
        finally:
            desk.sight.forget()
        work.require_done(run, applied)
        return {"undone": chosen.apply}

    subject = Subject(f"stack:{chosen.stack}", chosen.stack, secret=owner)
    return infos.job_info(desk.submit(Request("undo", subject, run_it), idempotency_key, wait=wait))


class _Chosen(NamedTuple):
    """The apply that is meant."""

    apply: str
    stack: str
    hidden: bool
    """Whether it worked on VMs behind a secret."""


def _choose(desk: Desk, which: str | None, stack: str | None, secret: str) -> _Chosen:
    digest = desk.digest(secret)
    hidden = _hidden(desk, digest)
    applies = [
        past_apply
        for past_apply in lookups.past_applies(desk.folder)
        if past_apply.serial not in hidden and stack in (None, past_apply.stack)
    ]
    try:
        chosen = reversal.choose(applies, which)
    except Refused as error:
        raise error_answers.refuse(error) from error
    return _Chosen(f"apply-{chosen.apply}", chosen.stack, chosen.serial in _hidden(desk, None))


@declare(
    "stacks",
    example=Example(
        {"stack": "shop", "rollback": False, "approve": [], "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "resume_stack", "stack": "shop", "address": None, "sid": None},
    ),
    errors=(*CHANGING, IMAGE_ERROR),
)
def resume_stack(
    desk: Desk,
    stack: StackText | None = None,
    rollback: Annotated[bool, Field(description="Takes back what the apply did instead of finishing it.")] = False,  # noqa: FBT002
    approve: Approve = [],  # noqa: B006
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    which: Annotated[str | None, Field(max_length=64, description="The name of the apply: `apply-12`.")] = None,
    secret: Secret = "",
    environment: Environment = {},  # noqa: B006
) -> JobInfo:
    """Finish an apply that did not end, or take it back.

    It is the newest of `stack`, or the one that `which` names, for which no stack has to be given. Where nothing waits, nothing is done,
    the job is done, and its note says what leads on from an apply that failed. There is nothing to take back then either, which is an
    error, and so is the name of an apply that does not wait.
    """
    if stack is None and which is None:
        raise error_answers.invalid("Nothing says which apply is meant.", "give `stack`, or the name of the apply in `which`", "stack")
    digest = desk.digest(secret)
    waiting = [
        pending
        for pending in unfinished.waiting(desk.reader.pending(), None)
        if stack in (None, pending.stack) and infos.sees_apply(desk, pending, digest)
    ]
    chosen = unfinished.named(waiting, which) if which is not None else waiting[-1] if waiting else None
    failed = "" if chosen else resumption.last_failed(desk.folder, stack, _hidden(desk, digest))
    if chosen is not None:
        stack = chosen.stack
    if chosen is None and rollback:
        raise resumption.nothing_to_take_back(failed)
    owner = digest if chosen is not None and not infos.sees_apply(desk, chosen, desk.digest("")) else None
    approved = frozenset(Approval(word) for word in approve)

    def run_it(run: Run) -> Json:
        if chosen is None:
            run.note(advice.in_methods(resumption.say_nothing_to_resume(failed)))
            return {"resumed": None}
        how = work.how_for(run, environment=environment)
        try:
            recovered = apply.resume(desk.folder, how, work.within_rest(approved), rollback=rollback, which=chosen.id)
        finally:
            desk.sight.forget()
        if recovered is None:
            return {"resumed": None}
        work.require_done(run, recovered)
        return {"resumed": recovered.apply, "rolled_back": rollback}

    request = Request("resume_stack", Subject(f"stack:{stack}", stack, secret=owner), run_it)
    return infos.job_info(desk.submit(request, idempotency_key, wait=wait))


METHODS: tuple[Method[Any], ...] = (undo, resume_stack, list_unfinished, list_orphans, state_log)
