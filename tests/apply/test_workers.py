"""Threads that call providers: a daemon runs one apply after the other, and has the same ones work for all of them."""

import queue
import threading
import time
from typing import Any

import pytest

from herocloud.apply.workers import Crew, Finished

SECONDS = 30.0


def ask(task: Any) -> Any:
    """Return what a crew of its own, which is dismissed at once, makes of a task."""
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    crew: Crew[str] = Crew(messages)
    crew.start("only", task)
    finished = messages.get(timeout=SECONDS)
    crew.took_back()
    crew.dismiss()
    return finished


@pytest.mark.world
def test_the_thread_of_an_apply_that_ended_works_for_the_next_one() -> None:
    first = ask(threading.get_native_id).value
    deadline = time.monotonic() + SECONDS
    # It may still be on its way home when the next apply begins.
    while ask(threading.get_native_id).value != first:
        assert time.monotonic() < deadline


@pytest.mark.world
def test_what_a_task_raises_is_no_end_of_its_thread() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    for _ in range(3):
        finished = ask(interrupt)
        assert isinstance(finished, Finished)
        assert isinstance(finished.error, KeyboardInterrupt)
    assert ask(threading.get_native_id).value


@pytest.mark.world
def test_a_thread_that_is_stuck_is_left_to_its_own_apply() -> None:
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
    stuck: Crew[str] = Crew(messages)
    hangs, told = threading.Event(), queue.SimpleQueue[int]()

    def hang() -> None:
        told.put(threading.get_native_id())
        hangs.wait()

    stuck.start("hangs", hang)
    thread = told.get(timeout=SECONDS)
    stuck.lost()
    stuck.dismiss()
    try:
        assert thread not in [ask(threading.get_native_id).value for _ in range(5)]
    finally:
        hangs.set()
