"""Jobs: work that outlives the request that asked for it, and that is found again after the daemon was killed.

A job is on disk before its caller hears of it. Jobs about the same VM or stack run one after the other, in the order in which they were
asked for; all others run side by side. What a job changes is journalled in the state under its id, which is how an interrupted one is
recognized after a restart.
"""

import collections
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from herocloud.kits import faults
from herocloud.kits.jsons import Json
from herocloud.model.applies import Begun, apply_id
from herocloud.model.errors import Refused
from herocloud.model.plans import Plan
from herocloud.rpc.calls import advice, error_answers, error_codes
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs.admission_gate import AdmissionGate
from herocloud.rpc.jobs.job_runs import Request, Run, Subject, cancelled
from herocloud.rpc.jobs.repetitions import Keyed
from herocloud.rpc.store.daemon_store import DaemonStore, NewEvent, StoredJob
from herocloud.rpc.store.event_log import EventLog
from herocloud.rpc.wire.peer_identity import Caller

log = logging.getLogger(__name__)

AT_ONCE = 32
KEY_SECONDS = 24 * 3600.0
"""For so long the same idempotency key means the same job."""
ADMISSION_SECONDS = 1.0
"""For so long a request waits to hear whether its job may begin; an answer takes no longer than that."""
_IMPATIENT = 2
"""So many requests to stop wait for no step that runs."""
_FILLING = frozenset({"deploy_vm", "clone_vm", "create_snapshot", "restore_snapshot", "apply_plan", "start_vm"})
"""Methods after which there is less room; what is kept for the others on a full disk is not for them."""
Found = TypeVar("Found", StoredJob, StoredJob | None)

_FROM = {
    "running": ("queued", "running"),
    "cancelling": ("queued", "running"),
    "done": ("running", "cancelling"),
    "failed": ("running", "cancelling"),
    "cancelled": ("queued", "running", "cancelling"),
}
"""What a job may be before it is something; one that has ended is nothing else any more. A job of the last daemon may be running."""


class Jobs:
    """All jobs of a daemon."""

    def __init__(self, store: DaemonStore, events: EventLog, clock: Callable[[], float] = time.time) -> None:
        """Begin with what the file knows."""
        self._store = store
        self._events = events
        self._clock = clock
        self._turn = threading.RLock()
        self._runs: dict[int, Run] = {}
        self._lanes: dict[str, collections.deque[tuple[Run, Callable[[Run], Json]]]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="job")
        self._closing = False
        self._unwritten: dict[int, StoredJob] = {}
        """Jobs that have ended, while the disk does not take that."""
        self.gate = AdmissionGate()
        self.conceal: Callable[[Json, str | None], Json] = lambda data, _digest: data
        """Takes out of errors what the owner of a job may not know; set by code that knows the records."""
        self.ended_total: collections.Counter[tuple[str, str]] = collections.Counter()

    def repeat(self, keyed: Keyed) -> StoredJob | None:
        """Return the job that the same call began, once it has ended or its caller has waited for it; nothing when none did."""
        with self._turn:
            earlier = self._find_repeated(keyed)
            run = None if earlier is None else self._runs.get(earlier.number)
        return earlier if run is None else self._await(run, keyed.wait, fresh=False)

    def submit(self, request: Request, caller: Caller, keyed: Keyed | None = None, *, wait: float = 0.0) -> StoredJob:
        """Begin a job, or find the one that the same key began meanwhile; raises what refuses it before it is admitted."""
        with self._turn:
            if self._closing:
                raise RpcError(error_codes.LOCKED, error_answers.document([]) | {"reason": "the daemon is about to end"})
            earlier = None if keyed is None else self._find_repeated(keyed)
            run = self._enqueue(request, caller, keyed) if earlier is None else self._runs.get(earlier.number)
        if run is None:
            assert earlier is not None  # noqa: S101  (a job without a run was found in the file)
            return earlier
        return self._await(run, wait, fresh=earlier is None)

    def _await(self, run: Run, wait: float, *, fresh: bool) -> StoredJob:
        deadline = time.monotonic() + max(wait, ADMISSION_SECONDS)
        while not run.ended.is_set() and not (wait <= 0 and run.admitted.is_set()):
            left = deadline - time.monotonic()
            if left <= 0:
                return run.job
            (run.ended if wait > 0 else run.admitted).wait(left)
        if run.error is not None and fresh and (wait > 0 or not run.job.plan):
            if run.job.plan is None:
                # Refused before anything was begun: the answer is the error, and a repetition may try again.
                self._forget(run)
            raise run.error
        return run.job

    def _forget(self, run: Run) -> None:
        """Take a job out of the file; one that stays there for want of room has failed, and says why."""
        try:
            self._store.drop_job(run.job.number)
        except Refused as refusal:
            log.warning("job %s stays in the file: %s", run.id, refusal.diagnostics[0].detail)

    def _find_repeated(self, keyed: Keyed) -> StoredJob | None:
        stored_job = self._as_known(self._store.find_key(keyed.key, self._clock() - KEY_SECONDS))
        if stored_job is None or stored_job.secret not in (None, keyed.secret):
            # The secret of its VM was changed since, and who knows only the old one knows of no such job.
            return None
        if stored_job.status == "failed" and stored_job.plan is None:
            # It ended before it began, so nothing was done under this key.
            return None
        if stored_job.asked != keyed.asked:
            detail = "The same `idempotency_key` was used within a day for a request with other parameters."
            raise error_answers.invalid(detail, "choose a new key for a new request", "idempotency_key")
        run = self._runs.get(stored_job.number)
        return stored_job if run is None else run.job

    def _enqueue(self, request: Request, caller: Caller, keyed: Keyed | None) -> Run:
        subject = request.subject
        request.check()
        self._require_slices(subject.slices)
        faults.reached("job.begin.before")
        job = self._store.add_job(
            StoredJob(
                number=0,
                method=request.method,
                status="queued",
                stack=subject.stack,
                address=subject.address,
                sid=subject.sid,
                secret=subject.secret,
                caller=caller.name,
                uid=caller.uid,
                key=None if keyed is None else keyed.key,
                asked="" if keyed is None else keyed.asked,
                params=None if request.params is None else json.dumps(request.params),
                created=self._clock(),
                started=None,
                ended=None,
                plan=None,
                apply=None,
                steps_total=0,
                steps_done=0,
                note="",
                result=None,
                error=None,
            ),
            frees=request.method not in _FILLING,
        )
        faults.reached("job.begin.after")
        return self.take(job, subject, caller, request.work)

    def take(
        self,
        job: StoredJob,
        subject: Subject,
        caller: Caller,
        work: Callable[[Run], Json],
        say_cancelled: Callable[[Run], RpcError] = cancelled,
    ) -> Run:
        """Run a job that is in the file, behind the others of its lane."""
        with self._turn:
            run = Run(job, subject, self, caller)
            run.say_cancelled = say_cancelled
            self._runs[job.number] = run
            lane = self._lanes.setdefault(subject.lane, collections.deque())
            lane.append((run, work))
            if len(lane) == 1:
                self._pool.submit(self._work_off, subject.lane)
        return run

    def _require_slices(self, slices: tuple[str, ...]) -> None:
        from herocloud.operations import deployment

        held = {sid for run in self._runs.values() for sid in run.subject.slices}
        taken = [sid for sid in slices if sid in held]
        if taken:
            raise error_answers.refuse(deployment.slice_in_use(taken))

    def _work_off(self, lane: str) -> None:
        """Run the jobs of a lane until none is left; nobody else runs any of it meanwhile."""
        with self._turn:
            waiting = self._lanes[lane]
        while True:
            run, work = waiting[0]
            try:
                self._execute(run, work)
            except BaseException as error:
                log.exception("job %s ended without an end", run.id)
                if not run.ended.is_set():
                    self._drop(run, error_answers.defect(error, f"job {run.id}"))
            with self._turn:
                waiting.popleft()
                # In the same turn: who finds an empty lane takes it for one that nobody works off, and would have its job run twice.
                if not waiting:
                    del self._lanes[lane]
                    return

    def _execute(self, run: Run, work: Callable[[Run], Json]) -> None:
        try:
            self._begin(run)
            result = work(run)
        except RpcError as error:
            self._end(run, "cancelled" if run.cancelled else "failed", error=error)
        except Exception as error:  # noqa: BLE001  (whatever happens becomes the end of the job)
            self._end(
                run,
                "cancelled" if run.cancelled else "failed",
                error=error_answers.translate(error) or error_answers.defect(error, f"job {run.id}"),
            )
        else:
            self._end(run, "done", result=result)

    def _begin(self, run: Run) -> None:
        """Make a job run unless it was cancelled before; a restart finds out that it did, so nobody waits for the disk."""
        with run.turn:
            if run.job.status not in _FROM["running"]:
                raise run.say_cancelled(run)
            started = self._clock()
            self._store.note_job(run.job.number, status="running", started=started)
            run.job = run.job._replace(status="running", started=started)
        self.tell(run, "job_started", {"method": run.job.method})

    def _move(self, run: Run, status: str, **values: Json) -> bool:
        """Make a job something else, on disk before anybody sees it; tells whether it could become that."""
        with run.turn:
            return run.job.status in _FROM[status] and self._change(run, status=status, **values)

    def _change(self, run: Run, **values: Json) -> bool:
        """Change a job that has not ended; tells whether it had not."""
        with run.turn:
            if not self._store.change_job(run.job.number, **values):
                return False
            run.job = run.job._replace(**values)
            return True

    def _change_soon(self, run: Run, **values: Json) -> None:
        """Change a job whose apply has begun: a disk that does not take that now stops no apply, whose journal names the job."""
        try:
            self._change(run, **values)
        except Refused as refusal:
            log.warning("what job %s does waits for the disk: %s", run.id, refusal.diagnostics[0].detail)
            with run.turn:
                self._store.note_job(run.job.number, **values)
                run.job = run.job._replace(**values)

    def note_closing(self, run: Run, begun: Begun) -> None:
        """Note which apply a job closes before its own begins."""
        self._change_soon(run, apply=begun.apply)

    def admit(self, run: Run, plan: Plan, begun: Begun, finished: int) -> None:
        """Note that the apply of a job begins."""
        sids = [change.sid for change in plan.changes if change.kind == "vm" and change.address == run.job.address and change.sid]
        sid = run.job.sid or next(iter(sids), None)
        # A job may run several applies, one after the other; what an earlier daemon began of one counts once.
        goes_on = begun.apply is not None and run.job.apply == begun.apply and run.job.steps_total >= len(plan.steps)
        total = run.job.steps_total + (0 if goes_on else len(plan.steps))
        done = total - len(plan.steps) + finished
        self._change_soon(run, plan=plan.id, apply=begun.apply, sid=sid, steps_total=total, steps_done=done)
        run.admitted.set()
        name = None if begun.apply is None else apply_id(begun.apply)
        self.tell(run, "job_admitted", {"plan_id": plan.id, "apply": name, "steps": len(plan.steps)})

    def _end(self, run: Run, status: str, *, result: Json = None, error: RpcError | None = None) -> None:
        if self._closing and not run.cancelled and error is not None and error.kind is error_codes.CANCELLED:
            # It was cut off by the end of the daemon and not by its owner; the row stays open for the next daemon.
            self._drop(run, error)
            return
        shown = None if error is None else {"code": error.kind.code, "message": error.kind.message, "data": self._words(run, error)}
        run.error = error
        try:
            self._write_end(run, status, result, shown)
            self.ended_total[run.job.method, status] += 1
        finally:
            # Callers that wait are answered whatever happened; if the end is not in the file, the next daemon finds the job open.
            self._drop(run, error)

    def _words(self, run: Run, error: RpcError) -> Json:
        data = self.conceal(error.data, run.subject.secret)
        return data if run.tells_all else advice.of_error(data, run.job.method)

    def _write_end(self, run: Run, status: str, result: Json, error: Json) -> None:
        """Write how a job ended, and the event of that. A disk that does not take it now gets it with the next write that it takes."""
        with run.turn:
            values: dict[str, Json] = {
                "ended": self._clock(),
                "result": None if result is None else json.dumps(result),
                "error": None if error is None else json.dumps(error),
                "note": run.job.note,
                "steps_done": run.job.steps_done,
                # Parameters were kept to begin again; an ended job never does.
                "params": None,
            }
            ended = run.job._replace(status=status, **values)
            event = _event(run, f"job_{status}", {"method": run.job.method, "error": error})
            faults.reached("job.end.before")
            try:
                self._store.end_job(ended, event, lambda: setattr(run, "job", ended))
            except Refused as refusal:
                log.error("the end of job %s waits for the disk: %s", run.id, refusal.diagnostics[0].detail)  # noqa: TRY400
                self._store.note_end(ended, event)
                run.job = self._unwritten[ended.number] = ended
            faults.reached("job.end.after")

    def _drop(self, run: Run, error: RpcError | None) -> None:
        run.error = error
        with self._turn:
            self._runs.pop(run.job.number, None)
        run.admitted.set()
        run.ended.set()

    def tell(self, run: Run, kind: str, data: Json, *, address: str | None = None, secret: str | None = None) -> None:
        """Append an event about a job."""
        self._events.add(_event(run, kind, data, address=address, secret=secret))

    # Reading and stopping

    def find(self, number: int) -> StoredJob | None:
        """Return a job as it is now."""
        run = self._runs.get(number)
        return run.job if run is not None else self._as_known(self._store.find_job(number))

    def newest(self, limit: int, secret: str | None, *, open_only: bool = False) -> list[StoredJob]:
        """Return the newest jobs that a caller with this secret may know of, newest first."""
        return [self._current(job) for job in self._store.list_jobs(limit, secret, open_only=open_only)]

    def open(self) -> list[StoredJob]:
        """Return the jobs that did not end yet, oldest first."""
        # Without the lock, which is held while a new job is written to disk: one copy of the table is as good as any.
        return [run.job for _, run in sorted(self._runs.copy().items())]

    def reserved(self) -> list[tuple[str, ...]]:
        """Return the slices that open jobs are about to take."""
        return [run.subject.slices for run in self._runs.copy().values() if run.subject.slices]

    def _current(self, job: StoredJob) -> StoredJob:
        run = self._runs.get(job.number)
        return self._as_known(job) if run is None else run.job

    def _as_known(self, job: Found) -> Found:
        """Return a job without a run as it is in the file, or as it ended if that is not written yet."""
        if job is None or not self._unwritten:
            return job
        if job.ended is None:
            return self._unwritten.get(job.number, job)
        self._unwritten.pop(job.number, None)
        return job

    def wait(self, number: int, seconds: float) -> StoredJob | None:
        """Return a job once it has ended, or as it is after some time."""
        run = self._runs.get(number)
        if run is not None:
            run.ended.wait(seconds)
            return run.job
        return self.find(number)

    def cancel(self, number: int, *, at_once: bool = False) -> StoredJob | None:
        """Stop a job: one that waits never begins; one that runs finishes the steps that it is in."""
        run = self._runs.get(number)
        if run is None:
            return self.find(number)
        # On disk first: a daemon that is killed now must not go on with it after its restart.
        self._move(run, "cancelling")
        with run.turn:
            if run.cancelled:
                run.stop(_IMPATIENT if at_once else 1)
        return run.job

    def close(self, seconds: float) -> None:
        """Stop everything politely and wait for it; what does not end in time is found again by the next daemon."""
        with self._turn:
            self._closing = True
            runs = list(self._runs.values())
        for run in runs:
            run.stop()
        deadline = time.monotonic() + seconds
        for run in runs:
            run.ended.wait(max(0.0, deadline - time.monotonic()))
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def closing(self) -> bool:
        """Return whether the daemon ends."""
        return self._closing


def _event(run: Run, kind: str, data: Json, *, address: str | None = None, secret: str | None = None) -> NewEvent:
    subject = run.subject
    return NewEvent(kind, subject.stack, address or subject.address, run.job.number, secret or subject.secret, data)
