"""A `destroy` that is cut off while it closes an unfinished apply leaves that apply to be finished, taken back, or closed once more."""

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import directions
from herocloud.state import store

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}}}
networks: {{lan: {{cidr: 10.41.0.0/24}}}}
volumes: {{data: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [lan], volumes: [data]}}
  lb: {{image: debian, memory: 1 GiB, depends_on: [vm.db]}}
"""
OLD = STACK.format(image="debian12")
NEW = STACK.format(image="debian13")
CASES = {
    "while a second VM boots": ("", "apply.perform.after:vm.boot:2", "create"),
    "while a volume is half made": ("", "simulator.volume.create.half:1", "create"),
    "while a machine is half removed": (OLD, "simulator.vm.delete.half:1", "update,replace,destroy"),
}
"""By what it was doing: the stack from before, where the apply was killed, and the classes that it was approved for."""
MOST = 20


class Scene:
    """A data folder that can be put back to what it was."""

    def __init__(self, herocloud: Any, spawn: Any, folder: Path) -> None:
        self.herocloud, self._spawn, self._folder = herocloud, spawn, folder

    def kill(self, point: str, *command: str) -> bool:
        """Run a command that is killed at this point; tells whether it got there."""
        process = self._spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:kill"})
        out, err = process.communicate(timeout=120)
        assert process.returncode in (0, -signal.SIGKILL), out + err
        return bool(process.returncode)

    def save(self, name: str) -> None:
        """Remember all of the data folder."""
        shutil.rmtree(self._folder / name, ignore_errors=True)
        shutil.copytree(self.herocloud.data_folder, self._folder / name)

    def restore(self, name: str) -> None:
        """Put back what was remembered."""
        shutil.rmtree(self.herocloud.data_folder)
        shutil.copytree(self._folder / name, self.herocloud.data_folder)

    def things(self) -> dict[str, tuple[str, str]]:
        """Return the parts and the content of all that is in the simulated world."""
        world = sqlite3.connect(self.herocloud.data_folder / "simulator.db")
        try:
            rows = world.execute("SELECT address, parts, halves, contents FROM things ORDER BY address").fetchall()
        finally:
            world.close()
        return {address: (parts, contents) for address, parts, halves, contents in rows if (parts, halves) != ("{}", "{}")}

    def unfinished(self) -> tuple[set[str], set[str]]:
        """Return the states of the steps of the newest apply, and what it is approved for, while it is not finished."""
        opened = store.open_state(self.herocloud.data_folder, write=False)
        assert opened is not None
        with opened:
            unfinished, pending = opened.unfinished(), opened.pending()
        if unfinished is None or unfinished.plan.operation != "apply":
            return set(), set()
        return set(unfinished.states.values()), {one.value for one in pending[-1].approved}


@pytest.fixture
def scene(herocloud: Any, spawn: Any, tmp_path: Path) -> Callable[[str, str, str], Scene]:
    """Return a function that has an apply killed."""

    def prepare(before: str, point: str, classes: str) -> Scene:
        if before:
            herocloud.write(before)
            herocloud.done("apply", "-y", "-q")
        made = Scene(herocloud, spawn, tmp_path)
        made.save("before")
        herocloud.write(NEW)
        assert made.kill(point, "apply", "--approve", classes, "-q")
        made.save("cut")
        return made

    return prepare


def _closings(scene: Scene) -> list[str]:
    """Return every point at which the closing can be killed: each of a step, as often as it is reached before the removal begins."""
    found = []
    for point in ("resume.probe.after", *directions.BACK_POINTS, *directions.STEP_POINTS, "apply.finish.before"):
        for nth in range(1, MOST):
            scene.restore("cut")
            if not scene.kill(f"{point}:{nth}", "destroy", "--approve", "destroy", "-q") or not scene.unfinished()[0]:
                break
            scene.save(f"{point}:{nth}")
            found.append(f"{point}:{nth}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_apply_is_finished_taken_back_or_destroyed_wherever_its_closing_was_killed(
    scene: Callable[[str, str, str], Scene], case: str
) -> None:
    stack = scene(*CASES[case])
    approved, before = stack.unfinished()[1], _parts(stack, "before")
    data = {} if CASES[case][0] else _whole(stack.things())
    points = _closings(stack)
    assert points, "the closing was never cut off"
    for point in points:
        stack.restore(point)
        states, classes = stack.unfinished()
        assert not states & {"undoing", "undone"}, f"{point}: it looks like a rollback"
        assert classes == approved, f"{point}: the removal's approval is not one of the apply"
        stack.herocloud.done("resume", "--approve", CASES[case][2])
        assert "No changes." in stack.herocloud.done("plan").out, point
        assert data.items() <= stack.things().items(), f"{point}: what was done is not made again"
        stack.restore(point)
        stack.herocloud.done("resume", "--rollback", "-y")
        assert {address: parts for address, (parts, _) in stack.things().items()} == before, point
        stack.restore(point)
        stack.herocloud.done("destroy", "--approve", "destroy")
        assert stack.things() == {}, point
        assert json.loads(stack.herocloud.done("state", "list", "--json").out)["records"] == [], point
        assert "There is nothing to resume" in stack.herocloud.done("resume").out, point


def _parts(scene: Scene, name: str) -> dict[str, str]:
    scene.restore(name)
    found = {address: parts for address, (parts, _) in scene.things().items()} if _has_world(scene) else {}
    scene.restore("cut")
    return found


def _has_world(scene: Scene) -> bool:
    return bool((scene.herocloud.data_folder / "simulator.db").exists())


def _whole(things: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Return the VMs that run whole, which nobody who finishes the apply of a new stack may touch."""
    return {address: thing for address, thing in things.items() if address == "vm.db" and json.loads(thing[0]).get("power") == "running"}


def test_what_runs_is_left_alone_and_finished_without_more_approval(scene: Callable[[str, str, str], Scene]) -> None:
    stack = scene(*CASES["while a second VM boots"])
    data = _whole(stack.things())
    assert data
    assert stack.kill("back.undo.after:1", "destroy", "-y")
    shown = stack.herocloud("resume")
    assert shown.code == 12
    assert "To be taken back" not in shown.both
    assert "`herocloud resume apply-1 --approve create` finishes it" in shown.err
    stack.herocloud.done("resume", "--approve", "create")
    assert _whole(stack.things()) == data


@pytest.mark.parametrize("point", ["back.undo.before:1:enospc", "back.intent.after:1:enospc"])
def test_a_closing_that_fails_leaves_an_apply_that_can_be_finished(scene: Callable[[str, str, str], Scene], spawn: Any, point: str) -> None:
    stack = scene(*CASES["while a second VM boots"])
    data = _whole(stack.things())
    process = spawn("destroy", "-y", env={**os.environ, "HEROCLOUD_FAULTS": point})
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "`herocloud resume apply-1` finishes" in err or "`herocloud resume` goes on" in err
    stack.herocloud.done("resume", "--approve", "create")
    assert _whole(stack.things()) == data
    assert "No changes." in stack.herocloud.done("plan").out


def test_a_rollback_that_was_cut_off_goes_on_backwards_after_a_closing_too(scene: Callable[[str, str, str], Scene]) -> None:
    stack = scene(*CASES["while a second VM boots"])
    assert stack.kill("back.undo.after:1", "resume", "--rollback", "-y")
    assert stack.kill("back.outcome.before:1", "destroy", "-y")
    assert "To be taken back" in stack.herocloud("resume").both
    stack.herocloud.done("resume", "-y")
    assert stack.things() == {}
