"""The coordinator: runs steps along a walk, and keeps the journal ahead of every effect.

It lives in the calling thread and is the only one that touches the graph, the journal and the store, so none of them needs a lock.
Each turn of its loop is one transaction: the outcomes that have arrived, and the intents of the steps that may start because of them.
Only then do those start. While the disk syncs, the workers go on, and what they finish meanwhile shares the next transaction: the cost
of the journal falls with the load. The alternative, a transaction per step and event, costs two syncs a step.
"""

import contextlib
import functools
import logging
import os
import queue
from collections.abc import Callable, Collection, Mapping, Sequence

from herocloud.apply import directions, listener, workers
from herocloud.apply.directions import Way
from herocloud.apply.listener import Listener
from herocloud.apply.schedule import Ended, Walk
from herocloud.apply.steering import Clock, Interrupts, Options
from herocloud.apply.workers import Attempt, Crew, Finished, Progress
from herocloud.kits.jsons import Part
from herocloud.kits.sizes import show_duration
from herocloud.model.errors import HerocloudError, Temporary
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event, EventData, EventType, Outcome, ProgressData
from herocloud.model.steps import KINDS, STATE_PROVIDER, Step
from herocloud.model.words import Status
from herocloud.providers.seam import Driver, Work
from herocloud.state.store import Entry

log = logging.getLogger(__name__)

LONGEST_GATHERING = 0.02
"""Seconds that a turn waits for more news at most, however slow the disk is."""

HEARTBEAT = 10.0
"""Seconds after which a step that sent nothing is reported as still running."""


class Runner:
    """One walk, forward or back."""

    def __init__(
        self,
        walk: Walk,
        way: Way,
        *,
        driver_of: Callable[[Step], Driver],
        work_of: Callable[[Attempt], Work],
        write: Callable[[Sequence[Entry]], None],
        options: Options,
        voice: Listener,
        clock: Clock,
        interrupts: Interrupts,
        began: float,
        on_failure: str,
        begun: Collection[Address] = (),
    ) -> None:
        """Prepare; `began` is when the whole apply began, from which outcomes count their seconds.

        `begun` are the addresses whose changes an earlier run began: after a failure they are carried to their end like those of this one,
        unless only preparations ran: such a change has interrupted nothing, and must not after a failure.
        """
        self._walk = walk
        self._way = way
        self._back = way.ended is Status.UNDONE
        self._driver_of = driver_of
        self._work_of = work_of
        self._write = write
        self._options = options
        self._voice = voice
        self._clock = clock
        self._interrupts = interrupts
        self._began = began
        self._on_failure = on_failure
        self._begun = set(begun)

        self._messages: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._crew: Crew[Attempt] = Crew(self._messages)
        self._running: dict[StepId, Attempt] = {}
        self._entries: list[Entry] = []
        self._intents: list[Step] = []
        self._results: list[Step] = []
        self._events: list[Event] = []
        self._outcomes: list[Outcome] = []
        self._first_failure: StepId | None = None
        self._halted = False
        self._stuck: list[StepId] = []
        self._carried: dict[Address, list[Address]] = {}
        """What is to be finished after a failure because a change that had begun waits for it, with those that do."""
        self._noticed = 0
        self._opened, self._waited = clock.elapsed(), 0.0
        self._commit_seconds = 0.0
        """How long the last commit took: what ends within that time of the first news may as well share the next one."""
        self._until: float | None = None
        """When the patience after the first interrupt ends."""

    def run(self, broken: Mapping[StepId, str] | None = None) -> Ended:
        """Run to the end. Steps in `broken` must not run: they fail at once, each for its reason."""
        self._interrupts.attach(self._messages)
        try:
            return self._loop(broken or {})
        finally:
            self._interrupts.detach(self._messages)
            self._crew.dismiss()

    def _loop(self, broken: Mapping[StepId, str]) -> Ended:
        while True:
            starting = self._choose(broken)
            self._commit()
            for attempt in starting:
                self._start(attempt)
            if not self._running:
                break
            self._wait()
            if self._interrupts.unheeded > 1 or self._patience_is_over():
                break
        return self._end()

    # Choosing and journalling.

    def _choose(self, broken: Mapping[StepId, str]) -> list[Attempt]:
        """Take what may start now, with its intents; steps on records are carried out on the spot."""
        starting: list[Attempt] = []
        # What an earlier run left unknown is found out even after a failure: an apply must not end with open questions.
        while taken := self._take():
            now = self._clock.now()
            for step in taken:
                if step.id in broken:
                    self._fail(step, self._clock.elapsed(), broken[step.id], halts=False)
                    continue
                self._begun |= set() if KINDS[step.kind].prepares else {step.address}
                self._intents.append(step)
                self._entries.append(self._way.intent(step, now))
                self._events.append(self._event("apply_start", step))
                if step.provider == STATE_PROVIDER:
                    self._succeed(step, self._clock.elapsed(), self._way.record(step))
                else:
                    starting.append(self._make_attempt(step))
        return starting

    def _take(self) -> list[Step]:
        """Take what may start: everything in its turn, and after the first interrupt only what lets machines go on."""
        takes = (self._walk.take, self._walk.take_healing, list)
        return takes[min(self._interrupts.unheeded, 2)]()

    def _make_attempt(self, step: Step) -> Attempt:
        timeout = KINDS[step.kind].timeout if self._options.step_timeout is None else self._options.step_timeout
        attempt = Attempt(step, self._driver_of(step), timeout, self._clock, self._messages.put)
        attempt.work = self._work_of(attempt)
        self._running[step.id] = attempt
        return attempt

    def _commit(self) -> None:
        """Make this turn durable, then tell of it: nobody hears of an outcome that a power cut could take back."""
        if self._entries:
            self._reach("before")
            began = self._clock.elapsed()
            try:
                self._write(self._entries)
            except BaseException:
                self._drain()
                raise
            self._commit_seconds = min(self._clock.elapsed() - began, LONGEST_GATHERING)
            self._reach("after")
        for event in self._events:
            self._voice.say(event)
        self._entries, self._intents, self._results, self._events = [], [], [], []

    def _reach(self, when: str) -> None:
        for step in self._results:
            directions.reached(f"{self._way.name}.outcome.{when}", step.kind)
        for step in self._intents:
            directions.reached(f"{self._way.name}.intent.{when}", step.kind)

    def _drain(self) -> None:
        """Let running steps end when the journal cannot be written: killing them half-way would leave more for the resume to find out."""
        ended_by = self._clock.elapsed() + self._options.grace
        for attempt in self._running.values():
            attempt.stopped = True
        # Those of this very turn have not started, and the ones that wait for another try are with nobody.
        busy = {attempt.step.id for attempt in self._running.values() if attempt.due is None} - {step.id for step in self._intents}
        while busy and (left := ended_by - self._clock.elapsed()) > 0 and self._interrupts.unheeded < 2:
            message = self._clock.wait(self._messages, left)
            if isinstance(message, Finished) and isinstance(message.key, Attempt):
                busy.discard(message.key.step.id)

    # Starting and waiting.

    def _start(self, attempt: Attempt) -> None:
        attempt.due = None
        assert attempt.work is not None  # noqa: S101  (set in the line after the attempt was made)
        self._crew.start(attempt, functools.partial(self._way.act, attempt.driver, attempt.work))

    def _wait(self) -> None:
        """Wait for news or the next deadline, and take in everything that has arrived."""
        asked = self._clock.elapsed()
        message = self._clock.wait(self._messages, self._next_deadline())
        self._waited += (heard := self._clock.elapsed()) - asked
        gather_until = heard + self._commit_seconds
        while message is not None:
            self._take_in(message)
            message = self._next_message(gather_until)
        self._heed_interrupts()
        now = self._clock.elapsed()
        for attempt in list(self._running.values()):
            if now >= attempt.deadline:
                self._time_out(attempt, now)
            elif attempt.due is not None and (attempt.stopped or now >= attempt.due):
                self._try_again(attempt, now)
            elif now >= attempt.heard + HEARTBEAT:
                attempt.heard = now
                self._voice.step("apply_progress", attempt.step, seconds=now - attempt.started, back=self._back)

    def _next_message(self, gather_until: float) -> object | None:
        """Return what has arrived, or what arrives soon enough to share the commit of this turn; long steps are not waited for."""
        with contextlib.suppress(queue.Empty):
            arrived: object = self._messages.get_nowait()
            return arrived
        now = self._clock.elapsed()
        left = gather_until - now
        if left <= 0 or self._interrupts.unheeded:
            return None
        quick = any(attempt.due is None and now - attempt.started < 2 * self._commit_seconds for attempt in self._running.values())
        return self._clock.wait(self._messages, left) if quick else None

    def _next_deadline(self) -> float:
        moments = [min(attempt.deadline, attempt.heard + HEARTBEAT, attempt.due or attempt.deadline) for attempt in self._running.values()]
        if self._until is not None:
            moments.append(self._until)
        return max(0.0, min(moments) - self._clock.elapsed())

    def _take_in(self, message: object) -> None:
        if isinstance(message, Progress):
            attempt = message.attempt
            if self._running.get(attempt.step.id) is attempt:
                attempt.heard = self._clock.elapsed()
                seconds = attempt.heard - attempt.started
                share: ProgressData = {"share": message.share}
                self._voice.step("apply_progress", attempt.step, seconds=seconds, detail=message.text, data=share, back=self._back)
        elif isinstance(message, Finished) and isinstance(message.key, Attempt):
            attempt = message.key
            if self._running.get(attempt.step.id) is not attempt:
                # It came back after its time-out; the journal has moved on, and a resume or the next plan looks at the world.
                return
            self._crew.took_back()
            if message.error is None:
                self._running.pop(attempt.step.id).work = None
                self._succeed(attempt.step, attempt.started, message.value)
            else:
                self._take_error(attempt, message.error)

    # Outcomes.

    def _take_error(self, attempt: Attempt, error: BaseException) -> None:
        if isinstance(error, Temporary):
            if attempt.stopped:
                self._cancel(attempt, str(error))
                return
            attempt.failures += 1
            now = self._clock.elapsed()
            delay = workers.next_delay(attempt.failures, error.delay, attempt.deadline - now)
            if delay is not None:
                attempt.due = now + delay
                self._voice.step(
                    "retry",
                    attempt.step,
                    seconds=now - attempt.started,
                    detail=str(error),
                    data={"delay": delay, "try": attempt.failures + 1},
                    back=self._back,
                )
                return
            why = f"{error} (tried {attempt.failures} times)" if attempt.failures > 1 else str(error)
        elif isinstance(error, HerocloudError):
            why = str(error)
        else:
            reference = os.urandom(4).hex()
            log.error("unexpected error in step %s, reference %s", attempt.step.id, reference, exc_info=error)
            what = f"{type(error).__name__}: {error}"
            why = f"unexpected error in the provider `{attempt.step.provider}`: {what} (reference {reference} in the log)"
        self._running.pop(attempt.step.id).work = None
        self._fail(attempt.step, attempt.started, why)

    def _try_again(self, attempt: Attempt, now: float) -> None:
        if attempt.stopped:
            self._cancel(attempt, "interrupted while waiting to try again")
        else:
            attempt.heard = now
            self._start(attempt)

    def _time_out(self, attempt: Attempt, now: float) -> None:
        attempt.stopped = True
        if attempt.due is None:
            self._crew.lost()
            self._stuck.append(attempt.step.id)
        self._running.pop(attempt.step.id).work = None
        self._fail(attempt.step, attempt.started, f"timed out after {show_duration(now - attempt.started)}")

    def _succeed(self, step: Step, started: float, result: Part) -> None:
        now = self._clock.elapsed()
        self._results.append(step)
        self._entries.append(self._way.done(step, result, self._clock.now(), now - started))
        self._walk.complete(step)
        self._begun |= {step.address} if step.last else set()
        self._note(step, self._way.ended, started, now)
        self._events.append(self._event("apply_complete", step, now - started, data=self._way.told(step)))

    def _fail(self, step: Step, started: float, why: str, *, halts: bool = True) -> None:
        now, at = self._clock.elapsed(), self._clock.now()
        self._results.append(step)
        self._entries.append(self._way.failed(step, why, at, now - started))
        self._note(step, Status.FAILED, started, now, error=why)
        self._events.append(self._event("apply_errored", step, now - started, why))
        for skipped in self._walk.fail(step):
            self._skip(skipped, step.id, now, at)
        self._first_failure = self._first_failure or step.id
        if halts and self._on_failure != "continue" and not self._halted:
            self._halted = True
            # Half a replacement is the worst place to be, so what has begun goes on; unless all of it is about to be taken back.
            more = self._walk.halt(self._begun if self._on_failure == "stop" else ())
            self._carried = self._walk.carried_for(more, self._begun)

    def _skip(self, step: Step, because: StepId, now: float, at: float) -> None:
        if (entry := self._way.skipped(step, because, at)) is not None:
            self._entries.append(entry)
        self._note(step, Status.SKIPPED, now, now, because=because)
        self._events.append(self._event("apply_skipped", step, 0.0, f"because {because} failed", {"because": because}))

    def _leave(self, step: Step, stopped_by: StepId, now: float) -> None:
        """Note a step of a change that was not begun, because the apply begins none after the first failure."""
        why = "because the apply stopped at the first failure"
        if (entry := self._way.skipped(step, why, self._clock.now())) is not None:
            self._entries.append(entry)
        self._note(step, Status.SKIPPED, now, now)
        self._events.append(self._event("apply_skipped", step, 0.0, why, {"because": None, "stopped_by": stopped_by}))

    def _event(self, kind: EventType, step: Step, seconds: float = 0.0, detail: str = "", data: EventData | None = None) -> Event:
        return Event(kind, step.address, step.id, step.kind, seconds, detail, data, self._back)

    def _cancel(self, attempt: Attempt, why: str) -> None:
        now = self._clock.elapsed()
        self._running.pop(attempt.step.id).work = None
        self._walk.abandon(attempt.step)
        self._results.append(attempt.step)
        if (entry := self._way.cancelled(attempt.step, why, self._clock.now(), now - attempt.started)) is not None:
            self._entries.append(entry)
        self._note(attempt.step, Status.CANCELLED, attempt.started, now, error=why)

    def _note(
        self, step: Step, status: Status, started: float, ended: float, *, error: str | None = None, because: StepId | None = None
    ) -> None:
        seconds = started - self._began, ended - self._began
        self._outcomes.append(Outcome(step.id, step.address, step.kind, status, *seconds, error, because))

    # Interrupts and the end.

    def _heed_interrupts(self) -> None:
        requests = self._interrupts.unheeded
        if requests == 0 or self._noticed:
            return
        self._noticed = requests
        self._until = self._clock.elapsed() + self._options.grace
        for attempt in self._running.values():
            attempt.stopped = True
        running = sorted(self._running)
        if running:
            names = ", ".join(running[:3]) + (f" and {len(running) - 3} more" if len(running) > 3 else "")
            patience = show_duration(self._options.grace)
            self._voice.note(f"interrupted: waiting up to {patience} for {names}; interrupt again to stop at once")

    def _patience_is_over(self) -> bool:
        return self._until is not None and self._clock.elapsed() >= self._until

    def _end(self) -> Ended:
        """Settle what did not run: left alone after the failure that stopped the walk, or cancelled by the interrupt."""
        at_once = self._interrupts.unheeded > 1
        now = self._clock.elapsed()
        unresolved = list(self._running.values())
        for attempt in unresolved:
            self._walk.abandon(attempt.step)
            self._note(attempt.step, Status.CANCELLED, attempt.started, now, error="still running when the apply was stopped")
        rest = self._walk.rest()
        interrupted = bool(unresolved) or any(outcome.status is Status.CANCELLED for outcome in self._outcomes)
        for step in rest:
            if self._interrupts.unheeded:
                interrupted = True
                self._note(step, Status.CANCELLED, now, now)
            elif self._first_failure is not None:
                self._leave(step, self._first_failure, now)
        if not at_once:
            self._commit()
        busy = self._clock.elapsed() - self._opened - self._waited
        notes = listener.say_carried({address: those for address, those in self._carried.items() if address in self._begun}, self._outcomes)
        return Ended(tuple(self._outcomes), interrupted, at_once, tuple(self._stuck), notes, busy)
