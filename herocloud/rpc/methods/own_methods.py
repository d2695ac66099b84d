"""What only the daemon's own user may ask for: the command line hands over plans that it made and got approved itself."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from pydantic import Field

from herocloud.apply import steering
from herocloud.apply.inspection import Rest
from herocloud.apply.steering import Options
from herocloud.kits.jsons import Json
from herocloud.model import outcome_codec
from herocloud.model.applies import Caller, apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused, Stale
from herocloud.model.ids import Address, PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import apply, past_results, plan_files, resumption, unfinished
from herocloud.operations.callers import Handed, How
from herocloud.operations.stack_plans import Planned
from herocloud.providers import registry
from herocloud.rpc.calls import error_answers, error_codes
from herocloud.rpc.calls.error_codes import (
    BLOCKED,
    CANCELLED,
    DOES_NOT_FIT,
    HYPERVISOR_UNAVAILABLE,
    IMAGE_ERROR,
    LOCKED,
    STALE_PLAN,
    TIMED_OUT,
    WRONG_STATE,
    RpcError,
)
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.job_marks import secret_in
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import IdempotencyKey, JobInfo, Wait

Seconds = Annotated[float, Field(ge=0, le=86400)]
if TYPE_CHECKING:
    Accelerator = str
else:
    Accelerator = Literal[registry.accelerators()]


class Resumed(pydantic.BaseModel):
    """An apply that did not end, as the command line has shown what is left of it."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    apply: Annotated[str, Field(max_length=64, description="Its name: `apply-12`.")]
    rollback: Annotated[bool, Field(description="Whether it is to be taken back.")] = False
    left: Annotated[str, Field(max_length=128, description="A digest of what was left of it.")]


class RunOptions(pydantic.BaseModel):
    """How to run a plan that was handed over."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    approved: Annotated[list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]], Field(max_length=16)] = []
    address: Annotated[str | None, Field(max_length=256, description="The one VM that it is about.")] = None
    undoes: Annotated[str | None, Field(max_length=64, description="The plan that it takes back.")] = None
    saved: Annotated[bool, Field(description="Whether it comes from a file.")] = False
    parallelism: Annotated[int, Field(ge=1, le=1000)] = 10
    on_failure: Literal["stop", "continue", "rollback"] = "stop"
    shutdown: Annotated[float | None, Field(ge=0, le=86400, description="Seconds that guests have to shut down.")] = None
    lock_timeout: Seconds = 30.0
    accelerator: Accelerator | None = None
    resumes: Annotated[Resumed | None, Field(description="The apply to resume, in place of a plan.")] = None
    user: Annotated[str, Field(max_length=256, description="Who is to stand in `state log`.")] = ""
    command: Annotated[str, Field(max_length=64, description="With what.")] = ""


def _options(given: RunOptions) -> Options:
    limit = steering.limit_for(given.shutdown)
    return Options(given.parallelism, given.on_failure, step_timeout=limit, shutdown=given.shutdown)


@declare(
    "jobs",
    example=Example({}, None, "a question whether this caller may"),
    errors=(WRONG_STATE, LOCKED, STALE_PLAN, BLOCKED, HYPERVISOR_UNAVAILABLE, TIMED_OUT, CANCELLED, DOES_NOT_FIT, IMAGE_ERROR),
)
def run_plan(
    desk: Desk,
    plan: Annotated[
        str | None, Field(max_length=1_000_000, description="The content of a file of `herocloud plan --out`, with its checksum.")
    ] = None,
    options: Annotated[RunOptions, Field(description="How to run it.")] = RunOptions(),  # noqa: B008  (frozen)
    environment: Annotated[dict[str, str], Field(max_length=1000, description="The variables that the stack names with `env:`.")] = {},  # noqa: B006
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
) -> JobInfo | None:
    """Run a plan that the command line made, as a job that goes on when the command is gone; or go on with an apply that did not end.

    A plan may hold any step with any path, so only the user that the daemon runs as may hand one over, over the unix socket; for anybody
    else it is -32007. Without a plan, and without an apply to go on with, nothing is done. The events of the job carry every event of
    the apply.
    """
    if desk.caller.uid != os.geteuid():
        raise error_answers.blocked(
            "Only the user that the daemon runs as may hand over plans.", "`plan_stack` makes one that you may apply"
        )
    if options.resumes is not None:
        request = _resuming(desk, options, options.resumes, environment)
        return infos.job_info(desk.submit(request, idempotency_key, wait=wait))
    if plan is None:
        return None
    handed = Handed(
        _decode(plan),
        frozenset(Approval(word) for word in options.approved),
        None if options.address is None else Address(options.address),
        None if options.undoes is None else PlanId(options.undoes),
        options.saved,
    )

    if any(secret_in(change.after) or secret_in(change.before) for change in handed.plan.changes):
        raise error_answers.blocked("The plan is about a VM behind a secret, whose job the command line could not follow.")

    def run_it(run: Run) -> Json:
        try:
            how = _how(run, options, environment)
            applied = apply.run_handed(desk.folder, handed, how)
        finally:
            desk.sight.forget()
        return judge(run, applied.apply, applied.result)

    stack = handed.plan.stack
    lane = f"vm:{stack}:{handed.address}" if handed.address else f"stack:{stack}"
    request = Request("run_plan", Subject(lane, stack, handed.address), run_it)
    return infos.job_info(desk.submit(request, idempotency_key, wait=wait))


def _how(run: Run, options: RunOptions, environment: Mapping[str, str]) -> How:
    run.tells_all = True
    caller = Caller(options.user or run.job.caller, options.command or "run_plan", run.id)
    how = work.how_for(run, _options(options), environment)
    return how._replace(caller=caller, lock_timeout=options.lock_timeout, accelerator=options.accelerator)


class _OfTheRest:
    """Approves what the command line has shown, and nothing else."""

    asks = False

    def __init__(self, resumed: Resumed, approved: frozenset[Approval]) -> None:
        self._left, self._approved = resumed.left, approved

    def approve(self, planned: Planned) -> frozenset[Approval]:
        raise Blocked(list(planned.plan.diagnostics))

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        if rest.sign != self._left:
            raise Stale([Diagnostic("rest-changed", "Something else is left", f"`{rest.pending.id}` came further since it was shown.")])
        return self._approved


def _resuming(desk: Desk, options: RunOptions, resumed: Resumed, environment: Mapping[str, str]) -> Request:
    """Return the work of going on with an apply; one that has ended meanwhile has no result."""
    pending = next((one for one in unfinished.list_unfinished(desk.folder) if one.id == resumed.apply), None)
    if pending is None:
        return Request("run_plan", Subject("resume"), lambda _run: _write(resumed.apply, None))
    plan, _ = unfinished.load(desk.folder, pending)
    if any(secret_in(change.after) or secret_in(change.before) for change in plan.changes):
        raise error_answers.blocked("The apply is about a VM behind a secret, whose job the command line could not follow.")
    approver = _OfTheRest(resumed, frozenset(Approval(word) for word in options.approved))

    def run_it(run: Run) -> Json:
        try:
            recovered = resumption.go_on(desk.folder, pending, _how(run, options, environment), approver, rollback=resumed.rollback)
        finally:
            desk.sight.forget()
        return judge(run, resumed.apply, None if recovered is None else recovered.result)

    return Request("run_plan", Subject(f"stack:{pending.stack}", pending.stack), run_it)


def _decode(plan: str) -> Plan:
    try:
        return plan_files.parse(Path("plan"), plan.encode("utf-8", "surrogatepass"))
    except Refused as error:
        raise error_answers.invalid(error.diagnostics[0].detail, error.diagnostics[0].hint, "plan") from error


def judge(run: Run, name: str | None, result: Result | None) -> Json:
    """Return how it ended, for a job that is done; one that is not carries the same in its error."""
    found = _write(name, result)
    if result is None or not (result.failed or result.interrupted):
        return found
    if result.interrupted:
        raise _interrupted(run, found)
    error = error_answers.of_outcomes(result.outcomes, run.id)
    raise RpcError(error.kind, {**(error.data or {}), "ran": found})


def judge_past(desk: Desk, run: Run, number: int) -> Json:
    """Return how an apply ended that an earlier daemon ran for a job, or raise it."""
    return judge(run, apply_id(number), past_results.read(desk.folder, number))


def cancelled(desk: Desk, run: Run) -> RpcError:
    """Return the error of a job that its owner cancelled before the last daemon ended, with how far its apply came."""
    number = run.job.apply
    result = None if number is None else past_results.read(desk.folder, number)
    return _interrupted(run, None if number is None or result is None else _write(apply_id(number), result))


def _interrupted(run: Run, ran: Json) -> RpcError:
    return RpcError(error_codes.CANCELLED, {**error_answers.document([]), "job_id": run.id, "ran": ran})


def _write(name: str | None, result: Result | None) -> dict[str, Json]:
    return {"apply": name, "result": None if result is None else outcome_codec.encode_result(result)}


METHODS: tuple[Method[Any], ...] = (run_plan,)
