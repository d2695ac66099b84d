"""The processor that the threads of a daemon share: which one, and when they move."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.daemon import own_processor
from herocloud.rpc.daemon.own_processor import Reading
from tests.rpc.places import HOST, Place


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def _after(busy: dict[int, float], own: float = 0.0) -> tuple[Reading, Reading]:
    """Return two readings with two seconds between them, in which these shares of processors were used."""
    later = {number: 100.0 + 2 * share for number, share in busy.items()}
    return Reading(10.0, dict.fromkeys(busy, 100.0), 5.0), Reading(12.0, later, 5.0 + 2 * own)


@pytest.mark.parametrize(
    ("current", "busy", "own", "chosen"),
    [
        (None, {0: 0.5, 1: 0.1, 2: 0.2}, 0.0, 1),
        (0, {0: 0.9, 1: 0.1}, 0.9, 0),
        (0, {0: 1.0, 1: 0.1}, 0.5, 1),
        (0, {0: 1.0, 1: 1.0}, 0.5, 0),
        (0, {0: 0.2, 1: 0.0}, 0.0, 0),
        (3, {0: 0.2, 1: 0.0}, 0.0, 1),
        (None, {0: 0.2}, 0.0, None),
        (0, {0: 1.0}, 0.0, 0),
        (None, {}, 0.0, None),
    ],
    ids=[
        "the idlest at first",
        "its own work makes nobody move",
        "somebody else's does",
        "not where all are busy",
        "not for little",
        "one that was taken away",
        "no choice",
        "no choice any more",
        "nothing is known",
    ],
)
def test_the_processor_is_the_one_that_others_need_least(
    current: int | None, busy: dict[int, float], own: float, chosen: int | None
) -> None:
    assert own_processor.choose(current, *_after(busy, own)) == chosen


def test_a_clock_that_stands_still_moves_nobody() -> None:
    before, _ = _after({0: 0.0, 1: 1.0})
    assert own_processor.choose(1, before, before) == 1


def test_the_figures_are_those_of_the_kernel() -> None:
    first = own_processor.read()
    assert first.busy.keys() == os.sched_getaffinity(os.getpid())
    second = first
    while second.own - first.own < 0.2:
        second = own_processor.read()
    assert sum(second.busy.values()) > sum(first.busy.values())


def test_what_the_kernel_does_not_say_costs_only_this(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "stat").write_text("cpu0 one two\n")
    monkeypatch.setattr(own_processor, "_STATISTICS", tmp_path / "stat")
    asyncio.run(own_processor.stay_on_one())
    assert "where the kernel puts them" in caplog.text


@pytest.mark.world
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="this host has one processor")
def test_the_threads_of_a_daemon_come_to_share_one(folder: Path) -> None:
    (folder / "site").mkdir()
    place = Place(folder / "site", HOST)
    place.start()
    try:
        pid = json.loads((place.data / "daemon.json").read_text())["pid"]
        until(lambda: len(os.sched_getaffinity(pid)) == 1)
        place.run("apply", "-y")
        threads = [os.sched_getaffinity(int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]
        assert len(set(map(frozenset, threads))) == 1
        assert len(threads) > 1
        assert len(threads[0]) == 1
    finally:
        place.stop()
