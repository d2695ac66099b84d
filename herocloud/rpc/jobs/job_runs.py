"""One job seen from the inside: what it is about, what was asked for, and what it tells while it runs."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from herocloud.apply.steering import Interrupts
from herocloud.kits.jsons import Json
from herocloud.model import outcome_codec
from herocloud.model.applies import Begun
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.rpc.calls import error_answers, error_codes
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs.job_marks import job_id, secret_in
from herocloud.rpc.store.daemon_store import StoredJob
from herocloud.rpc.wire.peer_identity import Caller

_EVENTS = {
    "apply_complete": "step_done",
    "apply_errored": "step_failed",
    "apply_skipped": "step_skipped",
    "closing": "unfinished_closing",
    "closed": "unfinished_closed",
}
"""The daemon's own names of an apply's events; the others are not told."""


class Owner(Protocol):
    """Who keeps the jobs, and hears of what happens in them."""

    def conceal(self, value: Json, secret: str | None) -> Json:
        """Return what a caller with this secret may read."""
        ...

    def note_closing(self, run: "Run", begun: Begun) -> None:
        """Note which apply a job closes before its own begins."""
        ...

    def admit(self, run: "Run", plan: Plan, begun: Begun, finished: int) -> None:
        """Note that the apply of a job begins."""
        ...

    def tell(self, run: "Run", kind: str, data: Json, *, address: str | None = None, secret: str | None = None) -> None:
        """Append an event about a job."""
        ...


class Subject(NamedTuple):
    """What a job is about."""

    lane: str
    """Jobs of one lane run one after the other."""
    stack: str | None = None
    address: str | None = None
    sid: str | None = None
    secret: str | None = None
    """The digest of the secret without which the job does not exist."""
    slices: tuple[str, ...] = ()
    """Slices that only this job may take while it is open."""


class Request(NamedTuple):
    """What was asked for."""

    method: str
    subject: Subject
    work: "Callable[[Run], Json]"
    params: Mapping[str, Json] | None = None
    """Enough to begin again after a restart; nothing when it holds what must not be kept."""
    check: Callable[[], None] = lambda: None
    """Raises the usual mistakes before there is a job; not asked for a repetition, whose first call has changed what it would see."""


class Run:
    """A job while it runs, seen from the inside."""

    def __init__(self, job: StoredJob, subject: Subject, owner: Owner, caller: Caller) -> None:
        """Start without progress."""
        self.job = job
        self.subject = subject
        self.caller = caller
        self.interrupts = Interrupts()
        self.turn = threading.RLock()
        """Held by the thread that changes the job, from its first look at the job to the row in the file."""
        self.admitted = threading.Event()
        self.ended = threading.Event()
        self.error: RpcError | None = None
        self.leave_gate: Callable[[], None] = lambda: None
        self.say_cancelled: Callable[[Run], RpcError] = cancelled
        """Returns the error of the job where it was cancelled before this daemon began with it."""
        self._owner = owner
        self.tells_all = False
        """Whether every event of the apply is sent, for a command line that shows it as its own."""
        self._closes = False
        """Whether an apply that did not end is being closed: its steps are none of the plan's."""
        self._secrets: Mapping[str, str] = {}
        """The digests of the VMs that the plan is about, by address: a job may work on more than its own subject."""

    @property
    def id(self) -> str:
        """Return the id that callers know it by."""
        return job_id(self.job.number)

    @property
    def cancelled(self) -> bool:
        """Return whether its owner has cancelled it."""
        return self.job.status in ("cancelling", "cancelled")

    def stop(self, requests: int = 1) -> None:
        """Ask it to stop, by so many requests that nothing was done about yet: one more would cut off the steps that it is in."""
        with self.turn:
            while self.interrupts.unheeded < requests:
                self.interrupts.stop()

    def note(self, text: str) -> None:
        """Say something about the job that callers may read, without the names of VMs that this caller may not know of."""
        shown = str(self._owner.conceal(text, self.subject.secret))
        with self.turn:
            self.job = self.job._replace(note=shown)

    @contextmanager
    def watch(self, plan: Plan, finished: Collection[str], begun: Begun) -> Iterator[Callable[[Event], None]]:
        """Listen to the apply that this job runs."""
        self.leave_gate()
        self._secrets = {
            change.address: value for change in plan.changing if (value := secret_in(change.after) or secret_in(change.before))
        }
        self._closes = begun.closes
        if begun.closes:
            self._owner.note_closing(self, begun)
        else:
            self._owner.admit(self, plan, begun, len(finished))
        yield self._tell

    def _tell(self, event: Event) -> None:
        kind = _EVENTS.get(event.type)
        if kind == "step_done" and not self._closes:
            with self.turn:
                done = max(0, self.job.steps_done - 1) if event.back else self.job.steps_done + 1
                self.job = self.job._replace(steps_done=done)
        if self.tells_all:
            secret = self._secrets.get(event.address or "")
            self._owner.tell(
                self, kind or "apply_event", {"event": outcome_codec.encode_event(event)}, address=event.address, secret=secret
            )
            return
        if kind is None:
            return
        data = {
            "step": event.step,
            "kind": event.kind,
            "seconds": round(event.seconds, 3),
            "detail": event.detail,
            "undone": event.back,
            "apply": event.apply or None,
        }
        self._owner.tell(self, kind, data, address=event.address, secret=self._secrets.get(event.address or ""))


def cancelled(_run: Run) -> RpcError:
    """Say that a job was cancelled."""
    return RpcError(error_codes.CANCELLED, error_answers.document([]))
