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


def keep_all(folder: Path, target: Path) -> None:
    target.mkdir()
    for path in folder.glob("state.*"):
        shutil.copy2(path, target)


def put_all_back(target: Path, folder: Path) -> None:
    for path in folder.glob("state.*"):
        path.unlink()
    for path in target.iterdir():
        shutil.copy2(path, folder)


@pytest.fixture
def wholly_older(herocloud: Any, tmp_path: Path) -> Any:
    """Do the same with a backup that holds the mark of the highest serial too."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    keep_all(herocloud.data_folder, tmp_path / "kept")
    herocloud.write(MORE)
    herocloud.done("apply", "-y", "-q")
    put_all_back(tmp_path / "kept", herocloud.data_folder)
    return herocloud


def test_marks_tell_a_state_that_went_back_with_its_own_mark(wholly_older: Any) -> None:
    ran = wholly_older.done("plan")
    assert "It ends with serial 1, and serial 2 was written here" in ran.err, ran.both
    assert "adopt" in ran.out
    assert "to add" not in ran.out.replace("0 to add", "")
    wholly_older.done("apply", "-y", "-q")
    assert "went back" not in wholly_older.done("plan").both
    assert "No changes." in wholly_older.done("plan").out
    serials = [entry["serial"] for entry in json.loads(wholly_older.done("state", "log", "--json").out)["history"]]
    assert serials == [3, 1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://example.org/tiny.raw", "https://example.org/newer.raw"),
        ("a: {image: tiny", "a: {vcpus: 2, image: tiny"),
        ("a: {image: tiny", 'a: {user_data: {text: "#cloud-config"}, image: tiny'),
        ("a: {image: tiny", "a: {labels: {tier: front}, image: tiny"),
        ("a: {image: tiny", "a: {memory: 8 GiB, image: tiny"),
    ],
    ids=["replaced", "other vcpus", "another seed", "labels", "more memory"],
)
def test_a_vm_that_is_what_the_stack_asks_for_is_left_alone(old: str, new: str, herocloud: Any, tmp_path: Path) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    keep_all(herocloud.data_folder, tmp_path / "kept")
    herocloud.write(STACK.replace(old, new))
    herocloud.done("apply", "-y", "-q", "--approve=replace,reboot,stop,destroy")
    put_all_back(tmp_path / "kept", herocloud.data_folder)
    ran = herocloud("plan", "--json")
    changes = json.loads(ran.out)["resource_changes"]
    kinds = {step["kind"] for step in json.loads(ran.out)["steps"] if step["address"] == "vm.a"}
    assert kinds <= {"record.write"}, ran.both
    assert [one["change"]["actions"] for one in changes if one["address"] == "vm.a"] in ([], [["update"]]), ran.both
    ran = herocloud("apply", "-y", "-q")
    assert ran.code == 0, ran.both
    assert "No changes." in herocloud.done("plan").out


def test_the_marks_of_a_real_host_tell_it_too(stand_in: Any, tmp_path: Path) -> None:
    image = tmp_path / "tiny.raw"
    image.write_bytes(b"tiny" * 1024)
    stack = (
        STACK.replace("https://example.org/tiny.raw", str(image)).replace(", networks: [lan]", "").replace("lan: {", "lan: {mode: user, ")
    )
    stand_in.write(stack)
    stand_in.done("apply", "-y", "-q")
    keep_all(stand_in.data_folder, tmp_path / "kept")
    stand_in.write(stack.replace("a: {image", "a: {memory: 3 GiB, image"))
    stand_in.done("apply", "-y", "-q", "--approve=reboot")
    put_all_back(tmp_path / "kept", stand_in.data_folder)
    ran = stand_in("plan", "--json")
    assert "went back in time" in ran.both, ran.both
    assert {step["kind"] for step in json.loads(ran.out)["steps"] if step["address"] == "vm.a"} <= {"record.write"}, ran.both
    stand_in.done("apply", "-y", "-q")
    assert "No changes." in stand_in.done("plan").out


def test_an_apply_that_runs_meanwhile_is_not_the_past(herocloud: Any) -> None:
    """Marks may be newer than what was read before the look; then the state knows their serial by now."""
    from herocloud.model.worlds import Observed
    from herocloud.operations import inputs, stack_plans
    from herocloud.state import store

    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    before = store.read_recorded(herocloud.data_folder)
    herocloud.write(MORE)
    herocloud.done("apply", "-y", "-q")
    host = inputs.find_host(herocloud.data_folder, before)
    seen = Observed(serials={before.lineage or "": before.serial + 1})
    assert stack_plans.behind_marks(before, seen, host).behind == 0
    ahead = Observed(serials={before.lineage or "": before.serial + 5})
    assert stack_plans.behind_marks(before, ahead, host).behind == 5
