"""A rollback may lose the answer of a step that it has taken back: what is said then is what is there, whatever comes next."""

import os
import re
import signal
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from herocloud.kits import faults
from herocloud.model.steps import KINDS
from tests.cli.step_scenes import SCENES, expect_nothing_left, powers, start, world_of
from tests.cli.test_rollback_in_part import AFTER, BEFORE

_GROWING = ("vm.grow", "disk.grow", "volume.grow")


@pytest.fixture
def kill(spawn: Any) -> Callable[..., None]:
    """Return a function that runs a command which is killed at a point."""

    def run(point: str, *command: str) -> None:
        process = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point} was not reached"

    return run


def _fail_once(herocloud: Any, monkeypatch: pytest.MonkeyPatch, points: Mapping[str, int], *command: str) -> Any:
    """Run a command in which the first of these points that is reached so often fails."""
    monkeypatch.setattr(faults, "_rules", {point: (number, "eio") for point, number in points.items()})
    monkeypatch.setattr(faults, "_counts", {})
    ran = herocloud(*command)
    monkeypatch.setattr(faults, "_rules", {})
    assert any(faults._counts.get(point, 0) >= number for point, number in points.items()), f"not reached: {ran.both}"
    return ran


def _in_part(herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str) -> str:
    """Take back an apply that was killed once all was done, and lose the answer of a step of this kind; returns what was printed."""
    kill("apply.finish.before:1", "apply", "-y", "-q")
    ran = _fail_once(herocloud, monkeypatch, {f"simulator.undo.{kind}.after": 1}, "resume", "--rollback", "-y")
    assert ran.code in (1, 13), ran.both
    return str(ran.both)


@pytest.mark.parametrize("kind", SCENES)
def test_an_undo_takes_back_the_rest(herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str) -> None:
    old, before = start(herocloud, SCENES[kind])
    printed = _in_part(herocloud, monkeypatch, kill, kind)
    assert f"{kind} could not be taken back, after" in printed
    assert "`herocloud undo apply-2` takes back the rest." in printed
    said = re.findall(r"`(vm\.[^`]+)` is (gone|stopped|paused|running)\n", printed) if KINDS[kind].power else ()
    for address, power in said:
        assert power == powers(herocloud).get(address, "gone")
    undone = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, old, before, printed + undone.both)


@pytest.mark.parametrize("kind", SCENES)
def test_an_apply_goes_on_from_what_is_there(herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str) -> None:
    start(herocloud, SCENES[kind])
    printed = _in_part(herocloud, monkeypatch, kill, kind)
    assert "Changed outside" not in herocloud("drift").out
    applied = herocloud.done("apply", "-y")
    assert "Changed outside" not in applied.both, printed
    assert "No drift." in herocloud.done("drift", "--detailed-exitcode").out, printed + applied.both
    assert "No changes." in herocloud.done("plan", "--detailed-exitcode").out, printed + applied.both
    assert "There are no orphans" in herocloud.done("state", "orphans").out


@pytest.mark.parametrize("kind", [kind for kind in SCENES if KINDS[kind].moves_mark or kind in _GROWING])
def test_the_old_file_finds_what_is_as_it_was(
    herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str
) -> None:
    old, before = start(herocloud, SCENES[kind])
    printed = _in_part(herocloud, monkeypatch, kill, kind)
    herocloud.write(old)
    applied = herocloud.done("apply", "-y")
    expect_nothing_left(herocloud, old, before, printed + applied.both)


@pytest.mark.parametrize("kind", SCENES)
def test_a_destroy_leaves_nothing(herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str) -> None:
    start(herocloud, SCENES[kind])
    printed = _in_part(herocloud, monkeypatch, kill, kind)
    destroyed = herocloud.done("destroy", "-y")
    assert world_of(herocloud) == {}, printed + destroyed.both
    assert "There are no orphans" in herocloud.done("state", "orphans").out


@pytest.mark.parametrize("kind", [kind for kind in SCENES if kind not in _GROWING and not KINDS[kind].beside])
def test_an_undo_that_is_taken_back_in_part_is_undone(
    herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], kind: str
) -> None:
    old, before = start(herocloud, SCENES[kind])
    herocloud.done("apply", "-y", "-q")
    after = world_of(herocloud)
    kill("apply.finish.before:1", "undo", "-y", "-q")
    points = {f"back.undo.after:{one}": 1 for one in (kind, KINDS[kind].inverse)}
    failed = _fail_once(herocloud, monkeypatch, points, "resume", "--rollback", "-y")
    back = herocloud.done("undo", "apply-3", "-y")
    assert world_of(herocloud) == after, failed.both + back.both
    again = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, old, before, failed.both + back.both + again.both)


@pytest.mark.parametrize("kind", ["image.fetch", "disk.delete", "vm.create", "vm.configure", "vm.move", "tap.update", "peer.remove"])
def test_a_killed_rollback_whose_step_nobody_can_ask_about(
    herocloud: Any, misbehave: Callable[[str], None], kill: Callable[..., None], kind: str
) -> None:
    old, before = start(herocloud, SCENES[kind])
    kill("apply.finish.before:1", "apply", "-y", "-q")
    kill(f"back.undo.after:{kind}:1", "resume", "--rollback", "-y", "-q")
    misbehave(f"{{step: 'probe {kind}', fail: nobody answers}}")
    resumed = herocloud("resume", "-y")
    assert "could not be taken back: nobody answers" in resumed.both
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    undone = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, old, before, resumed.both + undone.both)


@pytest.mark.parametrize("number", range(1, 27, 2))
def test_every_step_of_a_large_rollback_may_lose_its_answer(
    herocloud: Any, monkeypatch: pytest.MonkeyPatch, kill: Callable[..., None], number: int
) -> None:
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y", "-q")
    before = world_of(herocloud)
    herocloud.write(AFTER)
    kill("apply.finish.before:1", "apply", "-y", "-q")
    failed = _fail_once(herocloud, monkeypatch, {"back.undo.after": number}, "resume", "--rollback", "-y")
    undone = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, BEFORE, before, failed.both + undone.both)
