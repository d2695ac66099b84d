"""Commands beside a daemon hand their plans to it, and say the same as without one."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.places import HOST, Place, normal

_pause = threading.Event().wait
"""Between two looks at a condition that has a deadline."""

COMMANDS: list[list[str]] = [
    ["validate"],
    # Makes the key for digests of secrets, which a daemon has made already.
    ["plan", "--out", "first.plan"],
    ["plan"],
    ["plan", "--json"],
    ["apply"],
    ["apply", "-y"],
    ["apply", "-y"],
    ["plan", "--detailed-exitcode"],
    ["vm", "list"],
    ["vm", "list", "--json"],
    ["vm", "show", "web[0]"],
    ["vm", "stop", "--force", "web[0]"],
    ["vm", "stop", "web[0]"],
    ["vm", "restart", "web[1]", "--json"],
    ["vm", "pause", "web[1]"],
    ["vm", "resume", "web[1]"],
    ["vm", "start", "web[0]"],
    ["vm", "delete", "db", "-y"],
    ["vm", "delete", "nothing", "-y"],
    ["vm", "delete", "web[1]", "-y"],
    ["drift"],
    ["plan", "--out", "saved.plan"],
    ["apply", "saved.plan"],
    ["apply", "saved.plan"],
    ["apply", "-y", "--json", "--parallelism", "1", "--replace", "vm.web[0]"],
    ["undo", "-y"],
    ["show"],
    ["state", "list"],
    ["state", "log"],
    ["slice", "list"],
    ["output"],
    ["export"],
    ["destroy", "-y", "--approve", "create"],
    ["resume"],
]


@pytest.fixture
def places(folder: Path) -> Any:
    made = [Place(folder / name, HOST) for name in ("a", "b") if not (folder / name).mkdir()]  # type: ignore[func-returns-value]
    yield made
    for place in made:
        place.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_command_says_the_same_with_a_daemon_and_without(places: list[Place]) -> None:
    alone, beside = places
    beside.start(SHOP_TOKEN="of the daemon")
    for words in COMMANDS:
        found = [(ran.returncode, normal(ran.stdout, place.folder)) for place in places for ran in [place.run(*words)]]
        assert found[0][0] == found[1][0], (words, found)
        assert found[0][1].splitlines() == found[1][1].splitlines(), words
    carried = [job for job in beside.jobs() if job["method"] == "run_plan"]
    assert len(carried) >= 10
    assert not (alone.data / "daemon.db").exists()


def test_a_plan_that_was_handed_over_stands_in_the_log_like_any_other(places: list[Place]) -> None:
    for place in places[1:]:
        place.start()
    logs = []
    for place in places:
        assert place.run("apply", "-y").returncode == 0
        said = json.loads(place.run("state", "log", "--json").stdout)
        entries = next(value for value in said.values() if isinstance(value, list))
        logs.append([[entry[name] for name in ("user", "command", "operation", "outcome", "added")] for entry in entries])
    assert logs[0] == logs[1]
    assert [job["status"] for job in places[1].jobs() if job["method"] == "run_plan"] == ["done"]


@pytest.mark.parametrize(
    "words",
    [
        ("resume", "-y"),
        ("resume", "--rollback", "-y"),
        ("--json", "resume", "-y", "--parallelism", "1"),
        ("resume",),
        ("resume", "--approve", "destroy"),
    ],
)
def test_what_was_cut_off_is_resumed_by_the_daemon_and_told_alike(places: list[Place], words: tuple[str, ...]) -> None:
    for place in places:
        cut = place.run("apply", "-y", "--parallelism", "1", HEROCLOUD_FAULTS="apply.perform.after:vm.boot:1:kill")
        assert cut.returncode == -signal.SIGKILL
    places[1].start()
    alone, beside = ((ran.returncode, normal(ran.stdout, place.folder)) for place in places for ran in [place.run(*words)])
    assert (alone[0], alone[1].splitlines()) == (beside[0], beside[1].splitlines())
    carried = [job["status"] for job in places[1].jobs() if job["method"] == "run_plan"]
    assert carried == (["done"] if alone[0] == 0 else [])
    left = [normal(place.run("state", "list").stdout, place.folder) for place in places]
    assert left[0] == left[1]


def test_what_the_daemon_began_goes_on_when_the_command_is_killed(places: list[Place]) -> None:
    place = places[0]
    (place.data / "scenario.yaml").write_text("rules:\n  - {address: vm.db, step: vm.boot, delay: 2s}\n", encoding="utf-8")
    (place.data / "host.yaml").write_text(HOST + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")
    place.start()
    command = [sys.executable, "-m", "herocloud", "apply", "-y"]
    running = subprocess.Popen(command, cwd=place.folder, env=place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not [job for job in place.jobs() if job["status"] == "running" and job["steps"]["total"]] and time.monotonic() < deadline:
        _pause(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait(30)
    while [job for job in place.jobs() if job["status"] in ("queued", "running")] and time.monotonic() < deadline:
        _pause(0.05)
    assert [job["status"] for job in place.jobs() if job["method"] == "run_plan"] == ["done"]
    assert place.run("plan").stdout.strip() == "No changes."


def test_the_command_line_runs_plans_itself_when_it_is_told_to(places: list[Place]) -> None:
    place = places[0]
    place.start()
    assert place.run("apply", "-y", HEROCLOUD_DAEMON="off").returncode == 0
    assert place.jobs() == []


def test_an_interrupted_command_cancels_what_the_daemon_does_for_it(places: list[Place]) -> None:
    place = places[0]
    (place.data / "scenario.yaml").write_text("rules:\n  - {address: vm.db, step: vm.boot, delay: 3s}\n", encoding="utf-8")
    (place.data / "host.yaml").write_text(HOST + "simulator: {scenario: ./scenario.yaml}\n", encoding="utf-8")
    place.start()
    command = [sys.executable, "-m", "herocloud", "apply", "-y", "--parallelism", "1"]
    running = subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + 60
    while not [job for job in place.jobs() if job["status"] == "running" and job["steps"]["total"]] and time.monotonic() < deadline:
        _pause(0.02)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert [job["status"] for job in place.jobs() if job["method"] == "run_plan"] == ["cancelled"]
    assert place.run("resume", "-y").returncode == 0
    assert place.run("plan").stdout.strip() == "No changes."
