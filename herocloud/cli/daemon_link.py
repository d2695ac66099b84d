"""Plans handed over to the daemon of this data folder: it runs them, and goes on when this command is gone.

The plan is made, shown and approved here; the daemon is sent exactly that plan, and its events come back and are shown as if it ran here.
Where nobody takes it (there is no daemon, it runs as another user or in another version, the plan is too long for a request), it runs
here. Commands that only look read the state themselves: they see what a daemon sees.
"""

import contextlib
import queue
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from herocloud.cli import handed_jobs, silent_daemon
from herocloud.cli.handed_jobs import Patience
from herocloud.model import errors, outcome_codec
from herocloud.model.applies import Begun
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import StepId
from herocloud.model.plans import Plan
from herocloud.model.words import Approval, Severity
from herocloud.operations import plan_files
from herocloud.operations.callers import Handed, HandedRest, How, Ran, Tell

if TYPE_CHECKING:
    from herocloud.rpc.client import Client
    from herocloud.rpc.daemon.daemon_process import Process

RECORD = "daemon.json"
OFF = "HEROCLOUD_DAEMON"
"""`off` in this variable keeps the command line from a daemon."""
_MOST_BYTES = 900_000
_AGAIN_SECONDS = 0.2
_ERRORS: Mapping[int, type[errors.Refused]] = {
    -32004: errors.DoesNotFit,
    -32005: errors.Locked,
    -32006: errors.Stale,
    -32007: errors.Blocked,
}


def find(folder: Path, environment: Mapping[str, str]) -> "Link | None":
    """Return the way to the daemon of a data folder; nothing where none has left its record."""
    if environment.get(OFF, "").lower() in ("off", "no", "0") or not (folder / RECORD).exists():
        return None
    return Link(folder)


class _Order(NamedTuple):
    """What is handed over, with the plan that is shown while it runs."""

    params: Mapping[str, Any]
    plan: Plan
    finished: Collection[StepId] = ()

    def watch(self, how: How) -> contextlib.AbstractContextManager[Tell]:
        return how.watch(self.plan, self.finished, Begun(None))


class Link:
    """The daemon of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Ask nobody yet."""
        self._folder = folder

    def carry(self, handed: Handed, how: How) -> Ran | None:
        """Have a plan run by the daemon, with its events told as they happen; nothing where it does not take it."""
        plan = handed.plan
        options = {
            "address": handed.address,
            "undoes": handed.undoes,
            "saved": handed.saved,
            **_options(plan.operation, handed.approved, how),
        }
        ran = self._carry(_Order({"plan": plan_files.dump(plan).decode(), "options": options}, plan), how)
        if ran is None or ran.result is None or ran.result.failed or not ran.result.rolled_back:
            return ran
        # Nothing failed, so what took it back is that the daemon, or the job, was stopped.
        return ran._replace(result=ran.result._replace(interrupted=True))

    def carry_rest(self, handed: HandedRest, how: How) -> Ran | None:
        """Have an apply gone on with by the daemon; as `carry`."""
        rest = handed.rest
        resumed = {"apply": rest.pending.id, "rollback": rest.rollback, "left": rest.sign}
        options = {"resumes": resumed, **_options(rest.plan.operation, handed.approved, how)}
        return self._carry(_Order({"options": options}, rest.plan, handed.finished), how)

    def _carry(self, order: "_Order", how: How) -> Ran | None:
        from herocloud.rpc.client import Client
        from herocloud.rpc.daemon import daemon_process

        process = daemon_process.find(self._folder)
        first = None if process is None else _first_event(process, how)
        if process is None or first is None:
            ran = None
        else:
            with Client(process.socket, timeout=60.0) as client:
                ran = self._run(client, order, how, first)
        if ran is None and how.is_cancelled():
            raise errors.Cancelled("cancelled before it began")
        return ran

    def _run(self, client: "Client", order: "_Order", how: How, first: int) -> Ran | None:
        import json

        from herocloud.rpc.client.call_errors import CallError

        params = {**order.params, "environment": _variables(order.plan, how)}
        if len(json.dumps(params)) > _MOST_BYTES:
            how.note("the plan is too long for the daemon, so this runs here")
            return None
        with (
            how.interrupts as interrupts,
            _stopping(interrupts) as messages,
            order.watch(how) as tell,
            silent_daemon.watched(self._folder, how.note),
            silent_daemon.left_when_asked(self._folder, interrupts, client),
        ):
            patience = Patience(interrupts, self._folder)
            try:
                job = handed_jobs.hand_over(client, "run_plan", params, self._folder, patience)
            except CallError as error:
                if _is_not_taken(error.code, error.data):
                    return None
                raise _refusal(error.code, error.data) from error
            if job is None:
                return None
            done = threading.Event()
            canceller = threading.Thread(target=_cancel_when_asked, args=(client, job["job_id"], messages, done), daemon=True)
            canceller.start()
            try:
                for event in handed_jobs.follow(client, job["job_id"], first, patience):
                    tell(event)
                return _ran(handed_jobs.look_up(client, job["job_id"], patience))
            finally:
                done.set()
                messages.put(None)


def _first_event(process: "Process", how: How) -> int | None:
    """Return the number of the next event of a daemon that takes plans from here; nothing for one that does not."""
    from herocloud.rpc.client import Client
    from herocloud.rpc.client.call_errors import ClientError, ConnectionLost
    from herocloud.rpc.daemon import daemon_process

    try:
        with Client(process.socket, timeout=silent_daemon.ANSWER_SECONDS) as client:
            if client.rpc_health()["version"] != _version():
                how.note("the daemon is of another version, so this runs here")
                return None
            client.call("run_plan", {})
            return int(client.events(from_=0, limit=1)["last"]) + 1
    except ConnectionLost as lost:
        if isinstance(lost.__cause__, TimeoutError):
            how.note(f"{daemon_process.say_silent(process)}; this runs here without it")
        return None
    except ClientError:
        # It ends just now, or it is not ours to ask.
        return None


def _version() -> str:
    import herocloud

    return herocloud.__version__


def _options(operation: str, approved: Collection[Approval], how: How) -> dict[str, Any]:
    return {
        "approved": sorted(approval.value for approval in approved),
        "parallelism": how.options.parallelism,
        "on_failure": how.options.settled_for(operation).on_failure,
        "shutdown": how.options.shutdown,
        "lock_timeout": how.lock_timeout,
        "accelerator": how.accelerator,
        "user": how.caller.user,
        "command": how.caller.command,
    }


def _variables(plan: Plan, how: How) -> dict[str, str]:
    """Return only those variables that the plan names: nothing else of this process is anybody's business."""
    names: set[str] = set()
    for change in plan.changes:
        for spec in (change.before, change.after):
            _find_names(spec, names)
    return {name: how.environment[name] for name in names if name in how.environment}


def _find_names(value: Any, names: set[str]) -> None:
    if isinstance(value, Mapping):
        named = value.get("env")
        if isinstance(named, str):
            names.add(named)
        for one in value.values():
            _find_names(one, names)
    elif isinstance(value, list | tuple):
        for one in value:
            _find_names(one, names)


@contextlib.contextmanager
def _stopping(interrupts: Any) -> Iterator["queue.SimpleQueue[object]"]:
    """Hear of requests to stop."""
    messages: queue.SimpleQueue[object] = queue.SimpleQueue()
    interrupts.attach(messages)
    try:
        yield messages
    finally:
        interrupts.detach(messages)


def _cancel_when_asked(client: "Client", job: str, messages: "queue.SimpleQueue[object]", done: threading.Event) -> None:
    """Cancel the job at the first request to stop, and at once at the second."""
    from herocloud.rpc.client import Client
    from herocloud.rpc.client.call_errors import ClientError

    requests = 0
    with Client(client.path, timeout=60.0) as own:
        while messages.get() is not None and not done.is_set():
            requests += 1
            while not done.is_set():
                try:
                    own.cancel_job(job, at_once=requests > 1)
                    break
                except ClientError:
                    # The next daemon must not go on with what was asked to stop.
                    done.wait(_AGAIN_SECONDS)


def _ran(job: Mapping[str, Any]) -> Ran | None:
    """Return how the apply of a job ended, or raise what it refused; nothing for one that had not begun when its daemon was killed."""
    error = job["error"] or {}
    found = job["result"] if job["status"] == "done" else (error.get("data") or {}).get("ran")
    if found is not None:
        return Ran(found["apply"], None if found["result"] is None else outcome_codec.decode_result(found["result"]))
    if job["plan_id"] is None and _diagnostics(error.get("data"), "daemon-restarted"):
        return None
    raise _refusal(int(error.get("code", 0)), error.get("data"))


def _is_not_taken(code: int, data: Any) -> bool:
    """Return whether a daemon has nothing against a plan, and does not take it all the same."""
    about_to_end = code == -32005 and not _diagnostics(data)
    return about_to_end or (code == -32007 and not _diagnostics(data, "not-approved", "protected", "blocked"))


def _refusal(code: int, data: Any) -> errors.HerocloudError:
    diagnostics = _diagnostics(data)
    if not diagnostics and code == -32011:
        return errors.Cancelled("cancelled before it began")
    return _ERRORS.get(code, errors.Refused)(diagnostics or [Diagnostic("daemon-failed", "The daemon failed", "Its log says why.")])


def _diagnostics(data: Any, *codes: str) -> list[Diagnostic]:
    """Read findings as the daemon writes them; with codes, only those."""
    found = data.get("diagnostics") if isinstance(data, Mapping) else None
    return [_read(one) for one in found or () if not codes or one["code"] in codes]


def _read(found: Mapping[str, Any]) -> Diagnostic:
    range_ = found.get("range")
    place = None
    if range_:
        start, end = range_["start"], range_["end"]
        place = Place(range_["filename"], start["line"], start["column"], end["line"], end["column"])
    severity = Severity(found["severity"])
    return Diagnostic(
        found["code"], found["summary"], found["detail"], severity, found.get("address"), place, found.get("snippet"), found.get("hint")
    )
