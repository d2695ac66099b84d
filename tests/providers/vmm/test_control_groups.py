"""Each VM has a control group with its limits, and all of them together weigh what they weigh one by one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import control_groups, folders, group_places
from herocloud.providers.vmm.control_groups import Limits

_MIB = 1024**2


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of version 2 whose files are plain ones."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    monkeypatch.setattr(group_places, "ROOT", tmp_path)
    ours = tmp_path / "herocloud"
    ours.mkdir()
    for folder in (ours, ours / "a-v1", ours / "a-v2"):
        folder.mkdir(exist_ok=True)
        _fill(folder)
    return ours


def _fill(group: Path) -> None:
    """Do what the kernel does for a new group."""
    for name in ("cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max", "cpu.weight", "io.weight"):
        (group / name).write_text("")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have groups that are new filled, as the kernel does."""
    make = Path.mkdir

    def mkdir(self: Path, *words: Any, **more: Any) -> None:
        is_new = not self.exists()
        make(self, *words, **more)
        if is_new:
            _fill(self)

    monkeypatch.setattr(Path, "mkdir", mkdir)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Two sessions on a host with version 1, whose memory is counted one by one; returns what goes into one of them."""
    monkeypatch.setattr(group_places, "ROOT", tmp_path)
    for folder in (tmp_path / "cpu", tmp_path / "pids", *(tmp_path / "memory/sessions" / name for name in ("one", "two"))):
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").touch()
    (tmp_path / "memory/cgroup.procs").touch()

    def enter(name: str) -> None:
        own = f"3:memory:/sessions/{name}\n2:pids:/\n1:cpu:/\n"
        monkeypatch.setattr(group_places, "places", lambda: group_places._places_below(tmp_path, "", own))

    return enter


def test_a_vm_that_is_changed_from_another_session_stays_in_its_groups(session: Callable[[str], None], tmp_path: Path) -> None:
    session("one")
    joined = control_groups.make("a-v1", Limits(512 * _MIB, 100, 300))
    assert [path.parent for path in joined] == [tmp_path / place / "herocloud/a-v1" for place in ("memory/sessions/one", "pids", "cpu")]
    bound = joined[0].parent / "memory.limit_in_bytes"
    bound.touch()
    session("two")
    assert control_groups.make("a-v1", Limits(768 * _MIB, 100, 300), joined) == joined
    assert control_groups.share("a-v1", Limits(None, 50, 100), joined) == joined
    assert bound.read_text() == str(768 * _MIB)
    assert not (tmp_path / "memory/sessions/two/herocloud").exists()
    shutil.rmtree(joined[0].parent)
    assert control_groups.make("a-v1", Limits(768 * _MIB, 100, 300), joined)[0].parent == tmp_path / "memory/sessions/two/herocloud/a-v1"
    assert control_groups.make("a-v2", Limits(None, 100, 300), joined)[1].parent == tmp_path / "pids/herocloud/a-v2"


def test_groups_of_vms_that_nobody_can_start_again_go_from_all_sessions(
    session: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "base", lambda: tmp_path / "run")
    session("one")
    joined = control_groups.make("0123456789-gone", Limits(None, 100, 300))
    for path in joined:
        os.utime(path.parent, (0, 0))
    ours = tmp_path / "cpu/herocloud"
    (ours / "cpu.shares").write_text("1024\n")
    session("two")
    control_groups.make("a-v1", Limits(None, 100, 300))
    assert [path for path in joined if path.parent.exists()] == []
    assert not (tmp_path / "memory/sessions/one/herocloud").exists(), "a session could not end with it"
    assert (ours / "a-v1").exists()


def test_version_2_has_all_limits_in_one_group(tree: Path) -> None:
    joined = control_groups.make("a-v1", Limits(512 * _MIB, 100, 300))
    assert joined == (tree / "a-v1/cgroup.procs",)
    assert {name: (tree / "a-v1" / name).read_text() for name in ("memory.max", "pids.max", "cpu.weight", "io.weight")} == {
        "memory.max": str(512 * _MIB),
        "pids.max": "100",
        "cpu.weight": "300",
        "io.weight": "300",
    }
    assert (tree / "cgroup.subtree_control").read_text() == "+memory +pids +cpu +io"
    assert control_groups.limits_memory(joined[0])


def test_all_vms_together_weigh_the_sum_of_those_that_run(tree: Path) -> None:
    control_groups.make("a-v1", Limits(None, 100, 300))
    (tree / "a-v1/cgroup.procs").write_text("1\n")
    control_groups.make("a-v2", Limits(None, 100, 500))
    assert (tree / "cpu.weight").read_text() == "800"
    control_groups.make("a-v1", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "300"


def test_disks_are_weighed_in_the_kernel_s_own_words(tree: Path) -> None:
    (tree / "a-v1/cgroup.procs").write_text("1\n")
    (tree / "a-v1/io.weight").write_text("default 300\n8:0 50\n")
    control_groups.make("a-v2", Limits(None, 100, 500))
    # The files of a real group say the word themselves; what was just written here has none.
    assert (tree / "io.weight").read_text() == "800"


def test_a_kernel_that_does_not_weigh_disks_is_asked_for_the_rest(tree: Path) -> None:
    (tree.parent / "cgroup.controllers").write_text("cpu memory pids\n")
    (tree / "a-v1/io.weight").unlink()
    assert control_groups.make("a-v1", Limits(None, 100, 300)) == (tree / "a-v1/cgroup.procs",)
    assert (tree / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert not (tree / "a-v1/io.weight").exists()


@pytest.mark.usefixtures("kernel")
def test_a_new_vm_is_weighed_without_a_look_at_all_others(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a-v1", "a-v2"):
        (tree / name / "cgroup.procs").write_text("1\n")
        (tree / name / "cpu.weight").write_text("200\n")
    looks: list[str] = []
    begins = group_places.begins
    monkeypatch.setattr(group_places, "begins", lambda path: looks.append(path) or begins(path))
    control_groups.make("a-v3", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "700"
    assert str(tree / "a-v1/cgroup.procs") in looks
    looks.clear()
    control_groups.make("a-v4", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "1000"
    assert set(looks) == {str(folder / name) for folder in (tree, tree / "a-v4") for name in ("cpu.weight", "io.weight")}
    control_groups.make("a-v4", Limits(None, 100, 100))
    assert (tree / "cpu.weight").read_text() == "500", "one that was there has all counted again, and the third has no process yet"


def test_groups_of_vms_that_nobody_can_start_again_go_when_groups_are_counted(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "base", lambda: tmp_path / "run")
    (tmp_path / "run/0123456789/startable").mkdir(parents=True)
    names = ("0123456789-gone", "0123456789-startable", "0123456789-recent", "somebody-else")
    for name in names:
        (tree / name).mkdir()
        if name != "0123456789-recent":
            os.utime(tree / name, (0, 0))
    control_groups.make("a-v1", Limits(None, 100, 300))
    assert [name for name in names if (tree / name).exists()] == list(names[1:])


@pytest.mark.usefixtures("kernel")
def test_groups_that_were_taken_away_altogether_are_counted_again(tree: Path) -> None:
    control_groups.make("a-v3", Limits(None, 100, 300))
    shutil.move(tree, tree.with_name("gone"))
    tree.mkdir()
    (tree / "cpu.weight").write_text("100\n")
    control_groups.make("a-v4", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "300"


@pytest.mark.usefixtures("kernel")
def test_when_the_last_vm_has_gone_nothing_of_its_weight_stays(tree: Path) -> None:
    joined = control_groups.make("a-v3", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "300"
    control_groups.remove(joined[0])
    shutil.rmtree(tree / "a-v3")
    control_groups.remove(joined[0])
    assert int((tree / "cpu.weight").read_text()) < 10


def test_what_works_beside_a_vmm_leaves_the_limits_of_the_machine_alone(tree: Path) -> None:
    machine = Limits(512 * _MIB, 100, 300)
    joined = control_groups.make("a-v1", machine)
    assert control_groups.share("a-v1", Limits(None, 50, 100)) == joined
    assert [(tree / "a-v1" / name).read_text() for name in ("memory.max", "pids.max", "cpu.weight")] == [str(512 * _MIB), "100", "300"]
    assert (tree / "cpu.weight").read_text() == "300"


@pytest.mark.usefixtures("kernel")
def test_what_starts_before_the_vmm_has_limits_until_then(tree: Path) -> None:
    shutil.rmtree(tree / "a-v2")
    assert control_groups.share("a-v2", Limits(None, 50, 100)) == (tree / "a-v2/cgroup.procs",)
    assert (tree / "a-v2/pids.max").read_text() == "50"


def test_a_group_whose_weight_cannot_be_read_weighs_nothing(tree: Path) -> None:
    (tree / "a-v2/cgroup.procs").write_text("1\n")
    (tree / "a-v2/cpu.weight").write_text("much\n")
    control_groups.make("a-v1", Limits(None, 100, 300))
    assert (tree / "cpu.weight").read_text() == "300"


def test_a_host_that_allows_no_group_gets_none(tree: Path, monkeypatch) -> None:
    monkeypatch.setattr(group_places, "ROOT", tree / "nowhere")
    assert control_groups.make("a-v1", Limits(None, 100, 100)) == ()
    assert control_groups.version() is None


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_real_group_is_made_and_removed() -> None:
    if control_groups.version() is None:
        pytest.skip("needs a control group that can be written to")
    joined = control_groups.make("test-of-groups", Limits(64 * _MIB, 100, 200))
    assert joined
    assert all(path.exists() for path in joined)
    for path in joined:
        control_groups.remove(path)
    assert not any(path.parent.exists() for path in joined)
