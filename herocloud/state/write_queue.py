"""Writes of many threads to one file: in the order in which they were asked for, and as few transactions as their promises allow.

A write that somebody waits for is on disk when the call returns. It takes everything along that has gathered before it, what others wait
for too, because waiting for the disk is what a transaction costs. A write that nobody waits for stays in the queue until then.
"""

import collections
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from herocloud.model.errors import Refused
from herocloud.state import failures, reserve

Answer = TypeVar("Answer")
Work = Callable[[sqlite3.Connection], Answer]
Explain = Callable[[sqlite3.Error, Path], Refused | None]
"""Returns what to raise for a failure of the disk or of the file; nothing for a mistake of ours."""

_FULL = "state-disk-full"


class _Write:
    """One write on its way."""

    def __init__(
        self, work: Work[object], *, waits: bool, tells: bool, frees: bool = False, then: Callable[[], None] = lambda: None
    ) -> None:
        self.work = work
        self.frees = frees
        self.waits = waits
        self.tells = tells
        self.then = then
        self.done = False
        self.answer: object = None
        self.error: Exception | None = None


class WriteQueue:
    """The writes to one file."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        path: Path,
        turn: "threading.Lock | None" = None,
        explain: Explain = failures.explain,
    ) -> None:
        """Write through what `connect` returns before each transaction, or raise why there is nothing to write to.

        Who else uses it holds `turn` meanwhile. `explain` knows what to raise where the file fails.
        """
        self._connect = connect
        self._path = path
        self._turn = turn or threading.Lock()
        self._explain = explain
        self._waiting: collections.deque[_Write] = collections.deque()
        self.failure: Refused | None = None
        """What the file did not take last, until it takes something again."""
        self.heard: Callable[[list[object]], None] = lambda _answers: None
        """Called with the answers of writes that tell and have something to, in their order and once they are on disk."""

    def put(self, work: Work[object], *, tells: bool = False) -> None:
        """Write soon: with the next write that somebody waits for, or with `flush`."""
        self._waiting.append(_Write(work, waits=False, tells=tells))

    def write(self, work: Work[Answer], *, frees: bool = True, tells: bool = False, then: Callable[[], None] = lambda: None) -> Answer:
        """Write now, and all that was put in before; on disk at the return, or nothing of it is.

        `frees` says that it is for something after which there may be more room: on a full disk it may use all that is kept for that.
        `then` is called once it is on disk, before anybody hears of what it tells.
        """
        own = _Write(work, waits=True, tells=tells, frees=frees, then=then)
        self._waiting.append(own)
        with self._turn:
            if not own.done:
                self._empty(own)
        if own.error is not None:
            raise own.error
        return cast("Answer", own.answer)

    def flush(self) -> None:
        """Write what was put in so far."""
        with self._turn:
            if self._waiting:
                self._empty(None)

    def close(self, close: Callable[[], None]) -> None:
        """Close the connection while nobody writes."""
        with self._turn:
            close()

    def _empty(self, own: _Write | None) -> None:
        """Write all that waits; what cannot be written for a reason of its own is left out, and its caller gets the error."""
        while True:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                failed = self._transact(taken)
            except (sqlite3.Error, Refused) as error:
                refused = error if isinstance(error, Refused) else self._explain(error, self._path)
                self._waiting.extendleft(reversed(taken))
                full = refused is not None and refused.diagnostics[0].code == _FULL
                if full and reserve.give(self._path.parent, frees=own is not None and own.frees):
                    continue
                # Those who wait for another one of these try in their own turn.
                if own is not None:
                    self._waiting.remove(own)
                self.failure = refused
                if refused is None or refused is error:
                    raise
                raise refused from error
            except BaseException:
                # An interrupt is about who waits here, and not about what the others asked for.
                self._waiting.extendleft(reversed([write for write in taken if write is not own]))
                raise
            if failed is None:
                self.failure = None
                break
            self._waiting.extendleft(reversed([write for write in taken if write is not failed]))
        for write in taken:
            write.then()
        told = [write.answer for write in taken if write.tells and write.answer is not None]
        if told:
            self.heard(told)

    def _transact(self, taken: list[_Write]) -> _Write | None:
        """Write these as one transaction; returns the one that has no place in any, after which nothing is written."""
        connection = self._connect()
        connection.execute("BEGIN IMMEDIATE")
        write = None
        try:
            for write in taken:
                write.answer = write.work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if write is None or not isinstance(error, Exception) or _is_of_the_file(error):
                raise
            write.done, write.error = True, error
            if not write.waits:
                import logging

                logging.getLogger(__name__).exception("a write to %s was left out", self._path)
            return write
        for write in taken:
            write.done = True
        return None


def _is_of_the_file(error: Exception) -> bool:
    """Return whether any other write would fail as well."""
    own = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
    return isinstance(error, sqlite3.Error) and not isinstance(error, own)
