"""Jobs that the last daemon did not bring to their end: gone on with, begun again, or closed with what became of them.

Only what this daemon's own jobs began is touched, and only within what was approved for it. A job that its owner cancelled is closed and
left as it stands; an apply of the command line is none of ours, and neither is one that somebody has begun to close since.
"""

import functools
import json
import logging
from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.applies import Pending, apply_id
from herocloud.operations import apply, deployment, lookups, past_results, unfinished
from herocloud.operations.apply import Recovered
from herocloud.operations.callers import Granted
from herocloud.operations.deployment import DeployWanted
from herocloud.rpc.calls import advice, error_answers
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk
from herocloud.rpc.jobs.job_marks import job_id
from herocloud.rpc.jobs.job_runs import Request, Run, Subject, cancelled
from herocloud.rpc.methods import clone_methods, own_methods, snapshot_methods, vm_methods
from herocloud.rpc.store.daemon_store import StoredJob
from herocloud.rpc.supervision import snapshot_schedules
from herocloud.rpc.wire.peer_identity import Caller

log = logging.getLogger(__name__)

RUN_PLAN = own_methods.run_plan.name
_ON_VMS = {"stop_vm": "stop", "start_vm": "start", "restart_vm": "restart", "delete_vm": "delete"}


def take_over(desk: Desk) -> None:
    """Go on with every job that is open in the file, in the order in which they were asked for."""
    waiting = [pending for pending in unfinished.list_unfinished(desk.folder) if not pending.alive]
    own = {pending.caller.job: pending for pending in waiting if pending.caller.job}
    for job in desk.store.open_jobs():
        identity = job_id(job.number)
        left = None if identity in own else _left_open(job, waiting)
        request = _find_work(desk, job, own.get(identity), left)
        caller = Caller(None, job.uid, job.caller)
        log.info("job %s (%s) was open when the last daemon ended", identity, job.method)
        # One that was being cancelled is not run again, only ended.
        note = "it was cancelled before the daemon ended; what it did stays as it is" if job.status == "cancelling" else job.note
        done = _count_done(desk, job)
        say_cancelled = functools.partial(own_methods.cancelled, desk) if job.method == RUN_PLAN else cancelled
        desk.jobs.take(job._replace(note=note, steps_done=done), request.subject, caller, request.work, say_cancelled)


def _count_done(desk: Desk, job: StoredJob) -> int:
    """Return how many steps of a job are done: while it runs nobody writes that down, and the journal knows."""
    left = past_results.count_left(desk.folder, job.apply) if job.plan is not None and job.apply is not None else None
    return job.steps_done if left is None else max(0, job.steps_total - left)


def _left_open(job: StoredJob, waiting: Iterable[Pending]) -> Pending | None:
    """Return the apply that this job began and another command began to close, or that this job began to close.

    It is known by its number: plans recur, and the same plan may be somebody else's apply.
    """
    return next((pending for pending in waiting if not pending.caller.job and pending.number == job.apply), None)


def _find_work(desk: Desk, job: StoredJob, pending: Pending | None, left: Pending | None) -> Request:
    subject = Subject(_lane(job), job.stack, job.address, job.sid, job.secret)
    if job.method == "clone_vm" and job.params is not None:
        return Request(job.method, subject, lambda run: _go_on_cloning(desk, run, job, pending))
    if pending is not None:
        return Request(job.method, subject, lambda run: _go_on(desk, run, pending))
    if left is not None:
        return Request(job.method, subject, lambda run: _close_left(run, job, left))
    if job.plan is not None:
        return Request(job.method, subject, lambda run: _close_ended(desk, run, job))
    if job.apply is not None:
        return Request(job.method, subject, lambda _run: _close_half_way(job))
    if job.params is not None:
        return _begin_again(desk, job, json.loads(job.params))
    return Request(job.method, subject, _close_unbegun)


def _lane(job: StoredJob) -> str:
    return f"vm:{job.stack}:{job.address}" if job.address else f"stack:{job.stack}"


def _go_on(desk: Desk, run: Run, pending: Pending) -> Json:
    """Finish an apply that the last daemon was killed in; its own approval still holds."""
    run.tells_all = run.job.method == RUN_PLAN
    recovered = _resume(desk, run, pending)
    if run.job.method == RUN_PLAN:
        # A command line waits for how all of it ended, and not only for how this daemon's part of it did.
        return own_methods.judge_past(desk, run, pending.number)
    if recovered is not None:
        work.require_done(run, recovered)
    if recovered is not None and recovered.result.rolled_back:
        detail = "It could not be finished after the daemon ended, so what it had done is taken back."
        raise error_answers.wrong_state(detail, "ask again", "daemon-restarted")
    return _result(desk, run)


def _resume(desk: Desk, run: Run, pending: Pending) -> Recovered | None:
    run.note("the daemon ended in the middle of it, and the next one went on")
    try:
        return apply.resume(desk.folder, work.how_for(run), Granted(pending.approved), which=pending.id)
    finally:
        desk.sight.forget()


def _go_on_cloning(desk: Desk, run: Run, job: StoredJob, pending: Pending | None) -> Json:
    """Finish a clone, which is up to three applies: a snapshot, the new VM, and the snapshot's end."""
    recovered = None if pending is None else _resume(desk, run, pending)
    if recovered is not None:
        work.require_done(run, recovered)
    params = json.loads(job.params or "{}")
    record = desk.recorded.records.get(params["stack"], {}).get(params["address"])
    if record is None:
        raise error_answers.wrong_state("The VM that was to be cloned is gone.", None, "daemon-restarted")
    began = [
        past_apply
        for past_apply in lookups.past_applies(desk.folder)
        if past_apply.started >= job.created and past_apply.operation == clone_methods.OPERATION
    ]
    standing = desk.recorded.records.get(deployment.STACK, {}).get(ids.make_address("vm", params["name"]))
    made = standing is not None and standing.complete and any(past.status == "done" for past in began)
    return clone_methods.cloning(desk, record, params, again=True, made=made).work(run)


def _close_ended(desk: Desk, run: Run, job: StoredJob) -> Json:
    """Say how an apply ended whose daemon was killed after its end, or before its beginning."""
    ended = next((past_apply for past_apply in lookups.past_applies(desk.folder) if past_apply.apply == job.apply), None)
    if ended is None and job.params is not None:
        request = _begin_again(desk, job, json.loads(job.params))
        return request.work(run)
    if ended is None:
        return _close_unbegun(run)
    if job.method == RUN_PLAN:
        run.note("the daemon ended right after it")
        return own_methods.judge_past(desk, run, ended.apply)
    if ended.status == "done":
        run.note("the daemon ended right after it")
        return _result(desk, run)
    raise error_answers.wrong_state(f"Its apply ended as `{ended.status}` just before the daemon did.", "`state_log` shows it")


def _result(desk: Desk, run: Run) -> Json:
    from herocloud.rpc.methods import infos

    job = run.job
    if job.method in ("delete_snapshot", snapshot_schedules.METHOD):
        return None
    if job.method == "create_snapshot":
        return snapshot_methods.taken(desk, json.loads(job.params or "{}"))
    record = desk.recorded.records.get(job.stack, {}).get(job.address) if job.address else None  # type: ignore[call-overload]
    return None if record is None else infos.vm_info(desk, record).model_dump(mode="json") | {"job_id": None}


def _begin_again(desk: Desk, job: StoredJob, params: Mapping[str, Json]) -> Request:
    """Return the work of a job of which nothing was begun."""
    if job.method == "deploy_vm":
        wanted = DeployWanted(params["name"], tuple(params["slices"]), params["image"], params["fields"])
        return vm_methods.deploying(desk, wanted, job.secret)
    records = desk.recorded.records.get(params["stack"], {})
    if job.method == "create_snapshot" and all(address in records for address in params["vms"]):
        return snapshot_methods.taking(desk, [records[address] for address in params["vms"]], dict(params))
    record = records.get(params.get("address", ""))
    if job.method in snapshot_methods.AGAIN and record is not None:
        return snapshot_methods.AGAIN[job.method](desk, record, dict(params))
    if job.method not in _ON_VMS or record is None:
        return Request(job.method, Subject(_lane(job), job.stack, job.address, job.sid, job.secret), _close_unbegun)
    return vm_methods.acting(desk, job.method, params["action"], record, purge=bool(params["purge"]), shutdown=params.get("shutdown"))


_RESUMING = ("resume_stack", RUN_PLAN)


def _close_left(run: Run, job: StoredJob, pending: Pending) -> Json:
    """Leave an apply as it is until somebody decides about it: it was not brought to its end, and nobody asks for that any more."""
    doing = "resumed" if job.method in _RESUMING else "closed, to destroy the stack,"
    detail = f"`{pending.id}` of stack `{pending.stack}` is not finished: it was being {doing} when that was cut off."
    if job.method == RUN_PLAN:
        hint = f"`herocloud resume {pending.id}` finishes it, `herocloud resume {pending.id} --rollback` takes it back"
    else:
        finishes, takes_back = advice.resuming(pending.id), advice.resuming(pending.id, rollback=True)
        hint = f"{finishes} finishes it, {takes_back} takes it back; `destroy_stack` destroys the stack"
    run.tells_all = job.method == RUN_PLAN
    raise error_answers.wrong_state(detail, hint, "unfinished-apply")


def _close_half_way(job: StoredJob) -> Json:
    """Say that a job has closed an apply, and not begun with what it was asked for."""
    detail = f"The daemon ended after this job had closed `{apply_id(job.apply or 0)}` of stack `{job.stack}`, before the removal began."
    raise error_answers.wrong_state(detail, "ask again", "daemon-restarted")


def _close_unbegun(_run: Run) -> Json:
    raise error_answers.wrong_state("The daemon ended before this job began. Nothing was changed.", "ask again", "daemon-restarted")
