"""An older state, another state, a host that shrank after the plan: noticed before anything is changed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.world

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
networks:
  lan: {cidr: 10.42.0.0/24}
vms:
  a: {image: tiny, networks: [lan]}
"""
MORE = STACK + "  b: {image: tiny, networks: [lan]}\n"


def keep(folder: Path, target: Path) -> None:
    target.mkdir()
    for path in folder.glob("state.db*"):
        shutil.copy2(path, target)


def put_back(target: Path, folder: Path) -> None:
    for path in folder.glob("state.db*"):
        path.unlink()
    for path in target.iterdir():
        shutil.copy2(path, folder)


@pytest.fixture
def older(herocloud: Any, tmp_path: Path) -> Any:
    """Apply a stack, grow it, and put the state of before back."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    keep(herocloud.data_folder, tmp_path / "kept")
    herocloud.write(MORE)
    herocloud.done("apply", "-y", "-q")
    put_back(tmp_path / "kept", herocloud.data_folder)
    return herocloud


def test_a_state_that_went_back_is_noticed(older: Any) -> None:
    for words in (("plan",), ("state", "list"), ("vm", "list")):
        ran = older.done(*words)
        assert "The state went back in time" in ran.err, ran.both


def test_what_is_there_is_taken_over_and_not_made_a_second_time(older: Any) -> None:
    ran = older.done("plan")
    assert "vm.b" in ran.out
    assert "adopt" in ran.out, ran.both
    assert "replace" not in ran.out
    assert "1 to add" not in ran.out
    before = older.done("vm", "list").out
    older.done("apply", "-y", "-q")
    assert "went back" not in older.done("plan").err
    assert "No changes." in older.done("plan").out
    assert "vm.a" in before


def test_serials_go_on_above_what_was_written(older: Any) -> None:
    older.done("apply", "-y", "-q")
    serials = [entry["serial"] for entry in json.loads(older.done("state", "log", "--json").out)["history"]]
    assert serials == [3, 1], "serial 2 meant another operation"


def test_a_plan_checks_whose_state_it_is(herocloud: Any, tmp_path: Path) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    keep(herocloud.data_folder, tmp_path / "kept")
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    shutil.copy2(herocloud.data_folder / "host.yaml", other)
    herocloud.done("--data-dir", str(other), "apply", "-y", "-q")
    put_back(tmp_path / "kept", other)
    for words in (("plan",), ("drift",), ("vm", "list"), ("apply", "-y")):
        ran = herocloud("--data-dir", str(other), *words)
        assert (ran.code, "The state belongs to another folder" in ran.err) == (1, True), ran.both


def test_a_saved_plan_checks_that_its_slices_are_still_there(herocloud: Any) -> None:
    host = herocloud.data_folder / "host.yaml"
    host.write_text("simulated: {memory: 21 GiB, disk: 1 TiB, cpus: 64}\n")
    herocloud.write(STACK.replace("a: {image: tiny", "a: {count: 5, image: tiny"))
    herocloud.done("plan", "--out", "p.hcplan")
    host.write_text("simulated: {memory: 9 GiB, disk: 1 TiB, cpus: 64}\n")
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 10, ran.both
    assert "no such slice" in ran.err
    assert "There are no VMs." in herocloud("vm", "list").out
