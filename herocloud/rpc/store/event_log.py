"""Events with sequence numbers: written in the order in which they happen, and read by any number of subscribers from any number on.

Writers put events into a queue and go on. They reach the file with the next write that somebody waits for, or after `GATHER_SECONDS`, in
one transaction with all others. The newest ones stay in memory, so that a subscriber who keeps up never asks the file.
"""

import asyncio
import collections
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.rpc.store.daemon_store import DaemonStore, NewEvent, StoredEvent

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.03
"""An event waits so long for others at most: less than anybody who watches would notice."""
_AGAIN_SECONDS = 1.0
_IN_MEMORY = 1024
_AT_ONCE = 512
FORGOTTEN = "events_forgotten"
"""Tells a subscriber that the log does not have what it asked for: it goes on behind that."""


class Published(NamedTuple):
    """An event with its bytes for the stream, made once for all subscribers."""

    seq: int
    secret: str | None
    frame: bytes


class EventLog:
    """The log of one daemon."""

    def __init__(self, store: DaemonStore, clock: Callable[[], float] = time.time) -> None:
        """Continue where the file ends."""
        self._store = store
        self._clock = clock
        self._news = threading.Event()
        self._ends = threading.Event()
        self._recent: collections.deque[Published] = collections.deque(maxlen=_IN_MEMORY)
        self._turn = threading.Lock()
        self._last = store.last_event()
        self._wakers: set[Callable[[], None]] = set()
        store.hear_events(self._hear)
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    @property
    def last(self) -> int:
        """Return the number of the newest event that is on disk."""
        return self._last

    def add(self, event: NewEvent) -> None:
        """Append an event; from any thread, and without waiting for the disk."""
        self._store.put_event(event, self._clock())
        if not self._news.is_set():
            self._news.set()

    def flush(self) -> None:
        """Wait until everything that was added is on disk."""
        self._store.flush()

    def close(self) -> None:
        """Write what is left, and end."""
        self._ends.set()
        self._news.set()
        self._thread.join(30.0)

    def read(self, first: int, limit: int = _AT_ONCE) -> Sequence[Published]:
        """Return events from a number on, oldest first; those of others must still be left out."""
        with self._turn:
            if first > self._last:
                return ()
            if self._recent and self._recent[0].seq <= first:
                start = first - self._recent[0].seq
                # A deque has no slices; what is asked for lies mostly at its end.
                return [self._recent[number] for number in range(start, min(len(self._recent), start + limit))]
        return [publish(event) for event in self._store.events_from(first, limit)]

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each write, from the writing thread; returns how to end that."""
        with self._turn:
            self._wakers.add(wake)

        def leave() -> None:
            with self._turn:
                self._wakers.discard(wake)

        return leave

    @property
    def subscribers(self) -> int:
        """Return how many wait for events."""
        return len(self._wakers)

    def _hear(self, events: Sequence[StoredEvent]) -> None:
        with self._turn:
            self._recent.extend(publish(event) for event in events)
            self._last = events[-1].seq
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def _write(self) -> None:
        ends = False
        while not ends:
            self._news.wait()
            ends = self._ends.wait(GATHER_SECONDS)
            self._news.clear()
            try:
                self._store.flush()
            except (Refused, sqlite3.Error) as error:
                log.warning("events wait for the disk: %s", error)
                ends = self._ends.wait(_AGAIN_SECONDS)
                self._news.set()


def publish(event: StoredEvent) -> Published:
    """Make the bytes of an event."""
    # Its data are JSON already.
    head = json.dumps(_head(event), separators=(",", ":"))[:-1]
    return Published(event.seq, event.secret, f'id: {event.seq}\nevent: {event.type}\ndata: {head},"data":{event.body}}}\n\n'.encode())


def as_document(event: StoredEvent) -> dict[str, Json]:
    """Return an event as callers read it."""
    return _head(event) | {"data": json.loads(event.body)}


def _head(event: StoredEvent) -> dict[str, Json]:
    return {
        "seq": event.seq,
        "at": event.at,
        "type": event.type,
        "stack": event.stack,
        "address": event.address,
        "job_id": None if event.job is None else f"j{event.job}",
    }


def _forget(asked: int, goes_on: int) -> Published:
    """Say that what was asked for is not in the log, and with which number it goes on."""
    data = {"asked": asked, "goes_on": goes_on}
    return publish(StoredEvent(goes_on - 1, time.time(), FORGOTTEN, None, None, None, None, json.dumps(data, separators=(",", ":"))))


class Subscription:
    """One reader in the event loop, woken by the writing thread."""

    def __init__(self, log: EventLog, first: int) -> None:
        """Read from a number on."""
        self._log = log
        self._next = first
        self._forgotten: list[Published] = []
        if first > log.last + 1:
            # Numbers of another log, which was lost with its file; of this one the reader has seen nothing.
            self._forgotten = [_forget(first, 1)]
            self._next = 1
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._leave = log.subscribe(self._wake)

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:
            # The loop has ended, and this reader with it.
            return

    async def more(self, seconds: float) -> Sequence[Published]:
        """Return the next events, as soon as there are some; nothing after `seconds` without any."""
        self._news.clear()
        if self._forgotten:
            return [self._forgotten.pop()]
        published_events = self._log.read(self._next)
        if not published_events:
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                return ()
            published_events = self._log.read(self._next)
        if published_events:
            asked, self._next = self._next, published_events[-1].seq + 1
            if published_events[0].seq > max(asked, 1):
                return [_forget(asked, published_events[0].seq), *published_events]
        return published_events

    def close(self) -> None:
        """Be woken no more."""
        self._leave()
