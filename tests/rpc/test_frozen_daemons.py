"""A daemon that a signal has stopped: no command waits for it without a word, and what it was handed is not lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.daemon import daemon_process
from herocloud.state import holders
from tests.rpc.places import HOST, Place

SECONDS = 60.0
SLOW = 'rules:\n  - {address: "vm.web[0]", step: "*boot*", delay: 3 s}\n'


def wait_until(condition: Callable[[], Any]) -> Any:
    ends = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < ends
        threading.Event().wait(0.02)
    return found


@pytest.fixture
def place(folder: Path) -> Iterator[Place]:
    made = Place(folder, HOST + "simulator: {scenario: ./scenario.yaml}\n")
    (made.data / "scenario.yaml").write_text(SLOW, encoding="utf-8")
    made.start()
    yield made
    made.stop()


def freeze(place: Place) -> int:
    process = daemon_process.find(place.data)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: holders.is_stopped(process.pid))
    return process.pid


def test_a_command_does_without_a_daemon_that_does_not_answer_and_says_so(place: Place) -> None:
    pid = freeze(place)
    ran = place.run("apply", "-y")
    assert ran.returncode == 0
    assert f"the daemon, process {pid}, does not answer, because a signal has stopped it" in ran.stderr
    assert f"`kill -CONT {pid}` lets it go on" in ran.stderr
    assert "this runs here without it" in ran.stderr
    os.kill(pid, signal.SIGCONT)
    assert place.run("plan", "--detailed-exitcode").returncode == 0
    assert [job["method"] for job in place.jobs()] == []


def test_a_daemon_that_stops_with_a_plan_in_its_hands_is_waited_for_with_a_word(place: Place, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "herocloud", "apply", "-y"]
    said = tmp_path / "said"
    with said.open("w") as stderr:
        child = subprocess.Popen(command, cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, stderr=stderr, text=True)
        wait_until(lambda: [job for job in place.jobs() if job["status"] == "running"])
        pid = freeze(place)
        wait_until(lambda: f"note: the daemon, process {pid}, does not answer" in said.read_text())
        assert "this waits for it" in said.read_text()
        assert child.poll() is None
        os.kill(pid, signal.SIGCONT)
        out, _ = child.communicate(timeout=SECONDS)
    assert child.returncode == 0, out
    assert [job["status"] for job in place.jobs()] == ["done"]
    assert place.run("plan", "--detailed-exitcode").returncode == 0


def test_who_asks_twice_to_stop_waits_for_no_daemon_that_does_not_answer(place: Place) -> None:
    command = [sys.executable, "-m", "herocloud", "apply", "-y"]
    child = subprocess.Popen(command, cwd=place.folder, env=place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: [job for job in place.jobs() if job["status"] == "running"])
    pid = freeze(place)
    # Signals that come while one is on its way count once, so there may have to be more than two. An answer is waited for 60 s.
    ends = time.monotonic() + SECONDS / 2
    while child.poll() is None and time.monotonic() < ends:
        child.send_signal(signal.SIGINT)
        threading.Event().wait(0.2)
    ended = child.poll()
    os.kill(pid, signal.SIGCONT)
    _, said = child.communicate(timeout=SECONDS)
    assert ended == 1, said
    assert f"the daemon, process {pid}, does not answer, because a signal has stopped it" in said
    # It goes on with what it was handed, until it hears that it is to stop.
    wait_until(lambda: [job for job in place.jobs() if job["ended_at"] is not None])


def test_the_status_says_why_and_stop_ends_it(place: Place) -> None:
    pid = freeze(place)
    ran = place.run("daemon", "status", "--json")
    assert ran.returncode == 1
    (reason,) = json.loads(ran.stdout)["health"]["reasons"]
    assert reason.startswith(f"the daemon, process {pid}, does not answer, because a signal has stopped it")
    assert place.run("daemon", "stop").returncode == 0
    assert daemon_process.find(place.data) is None
