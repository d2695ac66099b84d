"""^C, SIGTERM, a closed terminal: the state stays whole, and `resume` goes on."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def slow(herocloud: Any, shop: Path) -> None:
    """Let every simulated step take a while."""
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {step_time: 150 ms}\n")


def _wait_for_a_step(process: "subprocess.Popen[str]") -> None:
    """Read the event stream until the first step is done."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "apply_complete":
            return
    raise AssertionError("the apply ended without a step")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.usefixtures("slow")
def test_an_interrupted_apply_exits_130_and_can_be_resumed(herocloud: Any, spawn: Spawn, number: signal.Signals) -> None:
    process = spawn("apply", "-y", "--json", "--parallelism", "1")
    _wait_for_a_step(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    last = json.loads(out.splitlines()[-1])
    assert (last["type"], last["status"]) == ("summary", "interrupted")
    assert "Traceback" not in err
    unfinished = herocloud("plan")
    assert "resume" in unfinished.both
    assert herocloud.done("resume", "-y").code == 0
    assert herocloud.done("plan").out == "No changes.\n"


@pytest.mark.usefixtures("slow")
def test_an_interrupted_apply_can_be_taken_back(herocloud: Any, spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "--parallelism", "1")
    _wait_for_a_step(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    ran = herocloud("resume", "--rollback", "-y")
    assert ran.code == 0, ran.both
    assert herocloud("state", "list").out == "Nothing is recorded.\n"


@pytest.mark.usefixtures("slow")
def test_a_second_interrupt_stops_at_once_and_loses_nothing(herocloud: Any, spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "--parallelism", "1")
    _wait_for_a_step(process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    herocloud.done("apply", "-y")
    assert herocloud.done("plan").out == "No changes.\n"


@pytest.mark.usefixtures("slow")
def test_a_killed_apply_is_finished_by_the_next_one(herocloud: Any, spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "--parallelism", "2")
    _wait_for_a_step(process)
    process.kill()
    process.communicate(timeout=60)
    plan = herocloud("plan")
    assert "An apply is unfinished" in plan.err
    ran = herocloud.done("apply", "-y")
    assert "took over the lock" in ran.err
    assert herocloud.done("plan").out == "No changes.\n"


@pytest.mark.usefixtures("slow")
def test_a_closed_terminal_does_not_end_an_apply(herocloud: Any, spawn: Spawn) -> None:
    process = spawn("apply", "-y", "--json", "--parallelism", "2")
    _wait_for_a_step(process)
    process.send_signal(signal.SIGHUP)
    assert process.stdout is not None
    assert process.stderr is not None
    # Nobody reads any more, as when the window is closed.
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert herocloud.done("plan").out == "No changes.\n"


def test_there_is_nothing_to_resume_after_a_whole_apply(herocloud: Any, applied: Path) -> None:
    ran = herocloud.done("resume")
    assert ran.out == "There is nothing to resume: the last apply came to its end.\n"


def _cut(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Let one step be done, send the signal, and return what the process printed on stdout after that step."""
    _wait_for_a_step(process)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    return out


@pytest.mark.usefixtures("slow")
def test_records_are_not_renamed_or_forgotten_while_a_destroy_is_unfinished(herocloud: Any, applied: Path, spawn: Spawn) -> None:
    _cut(spawn("destroy", "-y", "--json", "--parallelism", "1"), signal.SIGKILL)
    before = herocloud("state", "list", "--json").out
    for words in (("mv", "volume.data", "volume.store", "-y"), ("rm", "volume.data")):
        ran = herocloud("state", *words)
        assert ran.code == 12, words
        assert "An earlier apply is not finished" in ran.err
        assert "`herocloud resume apply-2` finishes it" in ran.err
    assert herocloud("state", "list", "--json").out == before, "nothing went on being destroyed"


@pytest.mark.usefixtures("slow")
def test_an_interrupted_resume_says_what_an_interrupted_apply_says(herocloud: Any, spawn: Spawn) -> None:
    apply = spawn("apply", "-y", "--parallelism", "1", "--json-into", "/dev/stderr")
    assert apply.stderr is not None
    next(line for line in apply.stderr if '"apply_complete"' in line)
    apply.send_signal(signal.SIGTERM)
    first, _ = apply.communicate(timeout=60)
    resume = spawn("resume", "-y", "--parallelism", "1", "--json-into", "/dev/stderr")
    assert resume.stderr is not None
    next(line for line in resume.stderr if '"apply_complete"' in line)
    resume.send_signal(signal.SIGTERM)
    second, _ = resume.communicate(timeout=60)
    assert (apply.returncode, resume.returncode) == (130, 130)
    for out in (first, second):
        assert "Interrupted after " in out
        assert "Not done: " in out
        assert out.count("`herocloud resume` goes on") == 1
    assert "image.debian12" not in second.split("Not done: ")[1], "the first run had made it"


@pytest.mark.parametrize("point", ["apply.outcome.before", "apply.intent.after"])
def test_a_disk_that_fails_inside_of_an_apply_is_told_with_the_way_on(herocloud: Any, shop: Path, spawn: Spawn, point: str) -> None:
    process = spawn("apply", "-y", env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:2:enospc"})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"`{herocloud.data_folder}` could not be written: No space left on device" in err
    assert "What is recorded is safe" in err
    assert "`herocloud resume` goes on" in err
    herocloud.done("resume", "-y")
    assert herocloud.done("plan").out == "No changes.\n"


def test_a_disk_that_fails_before_an_apply_begins_changes_nothing(herocloud: Any, shop: Path, spawn: Spawn) -> None:
    process = spawn("apply", "-y", env={**os.environ, "HEROCLOUD_FAULTS": "apply.begin.before:1:eio"})
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Nothing was changed" in err
    assert herocloud("state", "list").out == "Nothing is recorded.\n"
