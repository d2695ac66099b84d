"""`drift`, `state orphans`, `apply`, `undo` and `destroy` know a real network that an apply left half made, and leave nothing of it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.root

STACK = "stack: shop\nnetworks: {lan: {cidr: 10.42.0.0/24}}\n"
EMPTY = "stack: shop\n"
RULES_ONLY, BRIDGE, NO_ADDRESS = 2, 3, 5
"""At which change of the host the apply fails: what is there by then."""


class Ran(NamedTuple):
    code: int
    out: str
    both: str


@pytest.fixture
def herocloud(site: Any, tmp_path: Path) -> Callable[..., Ran]:
    """Return a function that runs the command line on the host of a site; `fails_at` is the change of the host that fails."""
    folder = tmp_path / "work"
    folder.mkdir()

    def run(*words: str, stack: str = STACK, fails_at: int | None = None) -> Ran:
        (folder / "stack.yaml").write_text(stack)
        faults = f"network.effect:{fails_at}:enospc" if fails_at else ""
        environment = {**os.environ, "HEROCLOUD_DATA_DIR": str(tmp_path / "data"), "HEROCLOUD_FAULTS": faults, "NO_COLOR": "1"}
        command = ["ip", "netns", "exec", site.host, sys.executable, "-m", "herocloud", *words]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
        return Ran(ended.returncode, ended.stdout, ended.stdout + ended.stderr)

    return run


@pytest.mark.parametrize("fails_at", [RULES_ONLY, BRIDGE, NO_ADDRESS])
def test_drift_and_state_orphans_name_it_and_an_apply_without_it_removes_it(
    site: Any, herocloud: Callable[..., Ran], fails_at: int
) -> None:
    before = site.dump()
    assert "injected" in herocloud("apply", "-y", fails_at=fails_at).both
    drift = herocloud("drift", "--detailed-exitcode")
    assert drift.code == 2
    assert "network.lan   network is half made" in drift.out
    removed = herocloud("apply", "-y", stack=EMPTY)
    assert "Done: 1 destroyed" in removed.both
    assert site.changes_since(before) == []

    herocloud("apply", "-y", fails_at=fails_at)
    assert herocloud("state", "rm", "network.lan").code == 0
    [orphan] = json.loads(herocloud("state", "orphans", "--json").out)["orphans"]
    assert (orphan["address"], orphan["half_made"]) == ("network.lan", ["network"])
    assert herocloud("state", "gc", "-y").code == 0
    assert site.changes_since(before) == []
    assert json.loads(herocloud("state", "orphans", "--json").out)["orphans"] == []


@pytest.mark.parametrize("words", [("undo", "apply-1", "-y"), ("destroy", "-y")], ids=["undo", "destroy"])
def test_undo_and_destroy_leave_nothing_of_it(site: Any, herocloud: Callable[..., Ran], words: tuple[str, ...]) -> None:
    before = site.dump()
    herocloud("apply", "-y", fails_at=RULES_ONLY)
    ran = herocloud(*words)
    assert ran.code == 0, ran.both
    assert site.changes_since(before) == []


def test_the_next_apply_makes_it_whole(site: Any, herocloud: Callable[..., Ran]) -> None:
    before = site.dump()
    herocloud("apply", "-y", fails_at=NO_ADDRESS)
    ran = herocloud("apply", "-y")
    assert ran.code == 0, ran.both
    assert "No drift." in herocloud("drift", "--detailed-exitcode").out
    assert "No changes." in herocloud("plan").out
    assert herocloud("destroy", "-y").code == 0
    assert site.changes_since(before) == []


CHANGED = {
    "another range": "stack: shop\nnetworks: {lan: {cidr: 10.44.0.0/24}}\n",
    "isolated": "stack: shop\nnetworks: {lan: {cidr: 10.42.0.0/24, isolated: true}}\n",
}


@pytest.mark.parametrize(("change", "fails_at"), [("another range", 4), ("another range", 2), ("isolated", 3)])
def test_a_change_that_failed_half_way_is_drift_and_undo_takes_it_back(
    site: Any, herocloud: Callable[..., Ran], change: str, fails_at: int
) -> None:
    assert herocloud("apply", "-y").code == 0
    before = site.dump()
    failed = herocloud("apply", "-y", stack=CHANGED[change], fails_at=fails_at)
    assert "injected" in failed.both
    assert "herocloud undo apply-2" in failed.both
    assert site.changes_since(before) != []
    drift = herocloud("drift", "--detailed-exitcode")
    assert drift.code == 2
    assert "Left by an apply that did not succeed" in drift.out
    assert "network.lan   network." in drift.out, "the values are named"
    undone = herocloud("undo", "apply-2", "-y")
    assert undone.code == 0, undone.both
    assert site.changes_since(before) == []
    assert "No drift." in herocloud("drift", "--detailed-exitcode").out
    assert "No changes." in herocloud("plan").out
