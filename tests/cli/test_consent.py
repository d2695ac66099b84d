"""Nothing without consent: what an interrupted apply has left is finished or taken back only by somebody who approves exactly that."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Spawn = Callable[..., "subprocess.Popen[str]"]
OTHER = """\
stack: other
images:
  debian12: {source: "https://example.org/debian12.qcow2", unpinned: true, format: qcow2}
vms:
  solo: {image: debian12, memory: 1 GiB}
"""


@pytest.fixture
def cut_destroy(herocloud: Any, applied: Path, spawn: Spawn) -> None:
    """Kill a `destroy --purge` after its third step."""
    process = spawn("destroy", "-y", "--purge", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:3:kill"})
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def _world(herocloud: Any) -> tuple[str, str]:
    """Return the records and what the host shows of them, as text."""
    return herocloud("state", "list", "--json").out, herocloud("show", "--json").out


@pytest.mark.usefixtures("cut_destroy")
def test_an_apply_without_approval_deletes_nothing_that_a_cut_destroy_left(herocloud: Any) -> None:
    before = _world(herocloud)
    ran = herocloud("apply")
    assert ran.code == 12, ran.both
    assert _world(herocloud) == before, "the rest of the destroy ran without anybody's consent"
    assert "--approve destroy" in ran.err
    assert "--rollback" in ran.err
    assert "volume.data" in ran.out, "what is left is shown before anybody is asked"


def test_a_destroy_that_was_interrupted_in_good_order_waits_for_approval_too(herocloud: Any, applied: Path, spawn: Spawn) -> None:
    process = spawn("destroy", "-y", "--purge", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:3:term"})
    process.communicate(timeout=60)
    assert process.returncode == 130
    before = _world(herocloud)
    ran = herocloud("apply")
    assert ran.code == 12, ran.both
    assert _world(herocloud) == before, "the rest of the destroy ran without anybody's consent"


@pytest.mark.usefixtures("cut_destroy")
@pytest.mark.parametrize("words", [("resume",), ("resume", "--rollback"), ("destroy",), ("undo",), ("apply", "--approve", "create")])
def test_whatever_goes_on_asks_first(herocloud: Any, words: tuple[str, ...]) -> None:
    before = _world(herocloud)
    ran = herocloud(*words)
    assert ran.code == 12, ran.both
    assert _world(herocloud) == before


@pytest.mark.usefixtures("cut_destroy")
def test_an_apply_of_another_stack_mentions_it_and_leaves_it_alone(herocloud: Any) -> None:
    herocloud.write(OTHER, "other.yaml")
    before = herocloud("show", "--json", "--stack", "shop").out
    ran = herocloud("apply", "-y", "-f", "other.yaml")
    assert ran.code == 0, ran.both
    assert "of stack `shop` did not end" in ran.err
    assert json.loads(herocloud("show", "--json", "--stack", "shop").out)["stacks"] == json.loads(before)["stacks"]


@pytest.mark.usefixtures("cut_destroy")
def test_approval_of_the_classes_that_are_left_finishes_it(herocloud: Any) -> None:
    herocloud.done("resume", "--approve", "destroy")
    assert herocloud("state", "list").out == "Nothing is recorded.\n"


@pytest.mark.usefixtures("cut_destroy")
def test_taking_back_is_approved_by_its_own_classes(herocloud: Any) -> None:
    assert herocloud("resume", "--rollback", "--approve", "destroy").code == 12
    ran = herocloud("resume", "--rollback", "--approve", "create")
    assert ran.code == 0, ran.both
    assert herocloud.done("plan").out == "No changes.\n"


@pytest.mark.usefixtures("cut_destroy")
def test_a_command_on_a_vm_that_is_half_gone_refuses_with_the_words(herocloud: Any) -> None:
    before = _world(herocloud)
    ran = herocloud("vm", "start", "db")
    assert ran.code == 12, ran.both
    assert "`herocloud resume apply-2` finishes it" in ran.err
    assert _world(herocloud) == before


@pytest.mark.usefixtures("cut_destroy")
def test_the_plan_lists_what_waits_for_resume(herocloud: Any) -> None:
    (waiting,) = json.loads(herocloud("plan", "--json").out)["unfinished"]
    assert (waiting["apply_id"], waiting["operation"], waiting["status"]) == ("apply-2", "destroy", "interrupted")
    assert waiting["approved"] == ["create", "update", "stop", "reboot", "replace", "destroy"]


@pytest.mark.usefixtures("cut_destroy")
def test_what_was_under_way_is_looked_at_and_told(herocloud: Any) -> None:
    ran = herocloud("resume")
    assert "the host shows:" in ran.out
    assert "vm.delete" in ran.out or "vm.stop" in ran.out


@pytest.mark.usefixtures("cut_destroy")
def test_the_journal_keeps_what_was_approved_and_by_whom(herocloud: Any) -> None:
    entry = json.loads(herocloud("state", "log", "--json").out)["history"][0]
    assert (entry["command"], entry["apply"], entry["stack"], entry["outcome"]) == ("destroy", "apply-2", "shop", "cut off")
    assert entry["user"]


def test_a_no_on_a_terminal_changes_nothing(herocloud: Any, applied: Path, spawn: Spawn) -> None:
    pty = pytest.importorskip("pty")
    process = spawn("destroy", "-y", "--purge", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:3:kill"})
    process.communicate(timeout=60)
    before = _world(herocloud)
    ours, theirs = pty.openpty()
    asked = spawn("apply", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"no\n")
    assert asked.wait(timeout=60) == 12
    os.close(ours)
    assert _world(herocloud) == before


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("words", [("protect", "vm.web[0]", "-y"), ("protect", "--off", "vm.web[0]", "--yes"), ("rm", "vm.web[0]", "-y")])
def test_commands_that_ask_nothing_take_the_approval_of_everything_too(herocloud: Any, words: tuple[str, ...]) -> None:
    herocloud.done("state", *words)


def test_only_a_plan_that_can_be_saved_is_said_to_be_approved_that_way(herocloud: Any, applied: Path) -> None:
    assert "plan --out FILE" in herocloud("destroy").err
    for words in (("undo",), ("vm", "delete", "db"), ("state", "mv", "vm.db", "vm.base")):
        ran = herocloud(*words)
        assert ran.code == 12, ran.both
        assert "`-y` approves everything" in ran.err
        assert "plan --out" not in ran.err
