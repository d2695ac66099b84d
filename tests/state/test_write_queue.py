"""A file under many writers: each promise kept, in few transactions."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.state.write_queue import WriteQueue


class Watched:
    """A file with a queue of writes, and every statement that reaches it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "some.db"
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("CREATE TABLE lines (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT")
        self.statements: list[str] = []
        self.connection.set_trace_callback(self.statements.append)
        self.queue = WriteQueue(lambda: self.connection, self.path)
        self.heard: list[str] = []
        self.queue.heard = self.heard.extend

    def line(self, text: Any) -> Any:
        def write(connection: sqlite3.Connection) -> Any:
            connection.execute("INSERT INTO lines (text) VALUES (?)", (text,))
            return text

        return write

    @property
    def commits(self) -> int:
        return self.statements.count("COMMIT")

    def lines(self) -> list[str]:
        other = sqlite3.connect(self.path)
        try:
            return [text for (text,) in other.execute("SELECT text FROM lines ORDER BY number")]
        finally:
            other.close()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.queue.close(made.connection.close)


def test_what_nobody_waits_for_goes_with_the_next_write_in_its_order(watched) -> None:
    watched.queue.put(watched.line("a"), tells=True)
    watched.queue.put(watched.line("b"))
    assert (watched.lines(), watched.heard) == ([], [])
    assert watched.queue.write(watched.line("c")) == "c"
    assert (watched.lines(), watched.heard, watched.commits) == (["a", "b", "c"], ["a"], 1)


def test_a_flush_writes_what_waits_and_nothing_more(watched) -> None:
    watched.queue.put(watched.line("a"), tells=True)
    watched.queue.flush()
    watched.queue.flush()
    assert (watched.lines(), watched.heard, watched.commits) == (["a"], ["a"], 1)


def test_those_who_wait_for_a_write_meanwhile_share_the_next(watched) -> None:
    entered, goes_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        entered.set()
        assert goes_on.wait(60.0)

    threads = [threading.Thread(target=watched.queue.write, args=(slow,))]
    threads[0].start()
    assert entered.wait(60.0)
    for number in range(8):
        threads.append(threading.Thread(target=watched.queue.write, args=(watched.line(str(number)),)))
        threads[-1].start()
    while len(watched.queue._waiting) < 8:
        threading.Event().wait(0.001)
    goes_on.set()
    for thread in threads:
        thread.join()
    assert (sorted(watched.lines()), watched.commits) == ([str(number) for number in range(8)], 2)


def test_a_write_that_cannot_be_is_known_to_who_waits_for_it_and_costs_the_others_nothing(watched) -> None:
    watched.queue.write(watched.line("a"))
    watched.queue.put(watched.line("b"), tells=True)
    with pytest.raises(sqlite3.IntegrityError):
        watched.queue.write(watched.line("a"))
    watched.queue.write(watched.line("c"))
    assert (watched.lines(), watched.heard) == (["a", "b", "c"], ["b"])


def test_one_that_cannot_be_and_that_nobody_waits_for_is_left_out(watched, caplog) -> None:
    watched.queue.put(watched.line("\ud800"), tells=True)
    watched.queue.put(watched.line("b"), tells=True)
    watched.queue.write(watched.line("c"))
    assert (watched.lines(), watched.heard) == (["b", "c"], ["b"])
    assert "was left out" in caplog.text


def test_while_the_file_cannot_be_written_what_nobody_waits_for_stays_in_the_queue(watched) -> None:
    watched.connection.execute("PRAGMA query_only = ON")
    watched.queue.put(watched.line("a"), tells=True)
    with pytest.raises(Refused, match="cannot be written"):
        watched.queue.write(watched.line("b"))
    with pytest.raises(Refused):
        watched.queue.flush()
    watched.connection.execute("PRAGMA query_only = OFF")
    watched.queue.write(watched.line("c"))
    assert (watched.lines(), watched.heard) == (["a", "c"], ["a"])


def test_an_interrupt_of_one_who_waits_leaves_what_the_others_asked_for(watched) -> None:
    def interrupted(_connection: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    watched.queue.put(watched.line("a"), tells=True)
    with pytest.raises(KeyboardInterrupt):
        watched.queue.write(interrupted)
    watched.queue.write(watched.line("b"))
    assert (watched.lines(), watched.heard) == (["a", "b"], ["a"])
