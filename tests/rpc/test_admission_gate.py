"""The gate in front of admission lets a few jobs through at once, and none can block it for longer than a moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from herocloud.rpc.jobs.admission_gate import AdmissionGate

LONG = 3600.0


def test_as_many_as_there_are_places_enter_without_waiting() -> None:
    gate = AdmissionGate(at_once=3, seconds=LONG)
    assert len([gate.enter() for _ in range(3)]) == 3


def test_the_next_one_waits_until_somebody_leaves() -> None:
    gate = AdmissionGate(at_once=1, seconds=LONG)
    leave = gate.enter()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gate.enter)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        leave()
        assert callable(waiting.result(30))


def test_one_that_is_held_up_loses_its_place_after_a_moment() -> None:
    gate = AdmissionGate(at_once=1, seconds=0.05)
    gate.enter()
    gate.enter()


def test_leaving_late_or_twice_gives_nobody_elses_place_away() -> None:
    gate = AdmissionGate(at_once=1, seconds=0.05)
    late = gate.enter()
    gate.enter()
    late()
    late()
    gate._seconds = LONG
    gate.enter()
    late()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gate.enter)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        gate._inside.clear()
        with gate._changed:
            gate._changed.notify()
        waiting.result(30)


def test_many_pass_one_after_another() -> None:
    gate, inside, most = AdmissionGate(at_once=2, seconds=LONG), 0, 0
    counting = threading.Lock()

    def pass_through(_: int) -> None:
        nonlocal inside, most
        leave = gate.enter()
        with counting:
            inside += 1
            most = max(most, inside)
        with counting:
            inside -= 1
        leave()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pass_through, range(200)))
    assert 0 < most <= 2


def test_no_thread_is_started_for_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    gate = AdmissionGate()
    gate.enter()()
    assert started == []
