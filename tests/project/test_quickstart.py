"""The first thing that a newcomer runs shows what it promises, and leaves nothing behind."""

import os
import re
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def said(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("quickstart")
    # Settings of whoever runs it must not reach it: this one would make every plan fail.
    environment = {**os.environ, "TMPDIR": str(folder), "HEROCLOUD_HYPERVISOR": "none-such", "HEROCLOUD_DATA_DIR": str(folder / "mine")}
    ended = subprocess.run(
        ["scripts/quickstart"], cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list(folder.iterdir()) == []
    return ended.stdout


def test_the_whole_loop_is_shown_in_its_order(said: str) -> None:
    commands = re.findall(r"^\$ herocloud (\w+)", said, re.MULTILINE)
    loop = ["init", "plan", "apply", "plan", "apply", "drift", "apply", "plan", "destroy"]
    assert [command for command in commands if command in loop] == loop


def test_nothing_is_left_to_do_after_an_apply(said: str) -> None:
    assert said.count("No changes.") == 2


def test_a_change_in_place_is_announced_as_one(said: str) -> None:
    assert re.search(r"^  ~ vm\.web\[0\] +update live +vcpus 1 → 2$", said, re.MULTILINE)


def test_drift_is_shown_and_mended(said: str) -> None:
    assert "Changed outside herocloud" in said
    assert re.search(r"^  \+ vm\.web\[1\] +create", said, re.MULTILINE)


def test_every_slice_is_free_at_the_end(said: str) -> None:
    assert "7 slices, 0 in use, 7 free." in said


def test_every_command_tells_how_long_it_took(said: str) -> None:
    assert len(re.findall(r"^  \(\d+ ms\)$", said, re.MULTILINE)) == len(re.findall(r"^\$ ", said, re.MULTILINE))
