"""A clone or an export that was killed leaves no snapshot behind, once somebody resumes or copies again."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import passing_snapshots
from herocloud.operations.passing_snapshots import Passing

CLONE = ("vm", "clone", "db", "copy")
EXPORT = ("vm", "export", "db", "db.tar")
CUT = [
    (CLONE, "simulator.snapshot.create.half"),
    (CLONE, "apply.finish.after"),
    (CLONE, "simulator.disk.copy.half"),
    (CLONE, "simulator.snapshot.delete.before"),
    (EXPORT, "apply.finish.after"),
]


@pytest.fixture
def kill(spawn: Any) -> Callable[..., None]:
    """Return a function that runs a command which is killed at a point."""

    def run(point: str, *command: str) -> None:
        process = spawn(*command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point} was not reached"

    return run


def _snapshots(herocloud: Any) -> list[str]:
    return [one["name"] for one in json.loads(herocloud.done("vm", "snapshot", "list", "db", "--json").out)["snapshots"]]


def _marks(herocloud: Any) -> list[str]:
    return [path.name for path in (herocloud.data_folder / "copies").iterdir()]


@pytest.mark.parametrize(("command", "point"), CUT)
@pytest.mark.usefixtures("applied")
def test_a_resume_leaves_no_snapshot_of_a_copy_that_was_killed(
    herocloud: Any, kill: Callable[..., None], command: tuple[str, ...], point: str
) -> None:
    kill(point, *command)
    herocloud.done("resume", "-y")
    assert (_snapshots(herocloud), _marks(herocloud)) == ([], [])
    assert "No drift." in herocloud.done("drift").out
    assert "There is nothing to resume" in herocloud.done("resume", "-y").out
    # It was no apply that anybody asked for, so an `undo` means the one before.
    undone = herocloud("undo").both
    assert "apply-1" in undone or "network.lan" in undone


@pytest.mark.usefixtures("applied")
def test_what_is_left_is_said_and_its_copy_goes_on_when_it_is_asked_for_again(herocloud: Any, kill: Callable[..., None]) -> None:
    kill("apply.finish.after", *EXPORT)
    assert _snapshots(herocloud) == ["export-db"]
    ran = herocloud.done(*EXPORT)
    assert "deleted the snapshot `export-db` of `vm.db`, which a `vm export` had left that was cut off" in " ".join(ran.both.split())
    assert (herocloud.folder / "db.tar").exists()
    assert (_snapshots(herocloud), _marks(herocloud)) == ([], [])


@pytest.mark.usefixtures("applied")
def test_a_snapshot_that_somebody_took_under_such_a_name_stays(herocloud: Any, kill: Callable[..., None]) -> None:
    herocloud.done("vm", "snapshot", "create", "db", "--name", "export-db")
    assert herocloud(*EXPORT).code == 1
    kill("apply.finish.after", *CLONE)
    herocloud.done("resume", "-y")
    assert (_snapshots(herocloud), _marks(herocloud)) == (["export-db"], [])


@pytest.mark.usefixtures("applied")
def test_a_snapshot_that_somebody_takes_after_a_copy_was_killed_stays(herocloud: Any) -> None:
    passing = Passing("shop", "vm.db", "export-db", "vm export", 1_700_000_000)  # type: ignore[arg-type]
    with passing_snapshots.marked(herocloud.data_folder, passing):
        pass  # It was killed before it took its snapshot.
    herocloud.done("vm", "snapshot", "create", "db", "--name", "export-db")
    herocloud.done("resume", "-y")
    assert (_snapshots(herocloud), _marks(herocloud)) == (["export-db"], [])


@pytest.mark.usefixtures("applied")
def test_what_an_apply_that_waits_still_copies_from_stays_until_it_is_over(herocloud: Any, kill: Callable[..., None]) -> None:
    kill("simulator.disk.copy.half", *CLONE)
    assert herocloud("resume").code != 0, "nobody approved it"
    assert _snapshots(herocloud) == ["clone-copy"]
    herocloud.done("resume", "--rollback", "-y")
    assert (_snapshots(herocloud), _marks(herocloud)) == ([], [])
    assert "vm.copy" not in herocloud.done("vm", "list", "--stack", "imperative").out


@pytest.mark.usefixtures("applied")
def test_a_copy_that_runs_keeps_its_snapshot(herocloud: Any) -> None:
    herocloud.done("vm", "snapshot", "create", "db", "--name", "clone-copy")
    (taken,) = json.loads(herocloud.done("vm", "snapshot", "list", "db", "--json").out)["snapshots"]
    passing = Passing("shop", "vm.db", "clone-copy", "vm clone", taken["created"])  # type: ignore[arg-type]
    with passing_snapshots.marked(herocloud.data_folder, passing):
        herocloud.done("resume", "-y")
        assert _snapshots(herocloud) == ["clone-copy"]
    herocloud.done("resume", "-y")
    assert (_snapshots(herocloud), _marks(herocloud)) == ([], [])


def test_a_mark_that_makes_no_sense_is_removed(herocloud: Any, applied: Path) -> None:
    place = herocloud.data_folder / "copies"
    place.mkdir()
    (place / "odd").write_text("[", encoding="utf-8")
    (place / "gone").write_text(
        '{"stack": "shop", "address": "vm.none", "name": "x", "command": "vm clone", "created": 1}', encoding="utf-8"
    )
    assert applied.exists()
    herocloud.done("resume", "-y")
    assert _marks(herocloud) == []


@pytest.mark.parametrize("command", [CLONE, EXPORT])
@pytest.mark.usefixtures("applied")
def test_a_copy_whose_snapshot_cannot_be_taken_leaves_no_mark(
    herocloud: Any, misbehave: Callable[[str], None], command: tuple[str, ...]
) -> None:
    misbehave('{address: "vm.db", step: "*snapshot.create*", fail: no room}')
    ran = herocloud(*command)
    assert ran.code != 0
    assert "no room" in ran.both
    assert (_snapshots(herocloud), _marks(herocloud)) == ([], [])
