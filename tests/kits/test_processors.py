"""Threads that share a processor, and what they start, which does not."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from herocloud.kits import processors, subprocesses

pytestmark = pytest.mark.world


def _in_a_thread(ask: Callable[[], set[int]]) -> set[int]:
    answers: list[set[int]] = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def _mask() -> set[int]:
    return os.sched_getaffinity(0)


def _mask_of_a_program() -> set[int]:
    said = subprocesses.run([sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], timeout=30).stdout
    return set(map(int, said.split()))


def test_without_a_word_nothing_changes() -> None:
    given = _mask()
    with processors.everywhere():
        assert _mask() == given
    assert processors.whole() == given
    assert _mask_of_a_program() == given


def test_all_threads_share_the_processor_and_new_ones_too(shared_processor: int) -> None:
    goes_on, ends = threading.Event(), threading.Event()
    masks: list[set[int]] = []

    def stay() -> None:
        goes_on.wait(30)
        masks.append(_mask())
        ends.set()

    threading.Thread(target=stay).start()
    processors.keep_together([shared_processor])
    goes_on.set()
    assert ends.wait(30)
    assert [*masks, _mask(), _in_a_thread(_mask)] == [{shared_processor}] * 3
    assert len(processors.whole()) > 1


def test_programs_run_everywhere_and_who_starts_them_comes_back(shared_processor: int) -> None:
    assert _mask_of_a_program() == processors.whole()
    started = subprocesses.start(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert os.sched_getaffinity(started.pid) == processors.whole()
    finally:
        started.kill()
        started.wait()
    assert _mask() == {shared_processor}
    with pytest.raises(subprocesses.CommandError):
        subprocesses.run(["false"], timeout=30)
    assert _mask() == {shared_processor}


def test_who_is_everywhere_stays_there_while_the_others_move(shared_processor: int) -> None:
    other = max(processors.whole())
    with processors.everywhere():
        with processors.everywhere():
            assert _mask() == processors.whole()
        processors.keep_together([other])
        assert _mask() == processors.whole()
        assert _mask_of_a_program() == processors.whole()
    assert _mask() == {other}


def test_a_processor_that_is_not_there_moves_nobody(shared_processor: int) -> None:
    processors.keep_together([1023])
    assert _mask() == {shared_processor}
