"""Processes in frozen control groups go on again, whoever froze them, and what cannot be thawed is said with its way out."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import frozen_groups, group_places
from herocloud.providers.vmm.identity import Identity
from tests.guests.conftest import wait_until

_FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def sleeper() -> Iterator[Identity]:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield Identity(process.pid, 0, "boot")
    process.kill()
    process.wait()


@pytest.fixture
def freezing(sleeper: Identity) -> Iterator[Callable[[str], Path]]:
    """Freeze the process in a group with a name, as the first version of control groups can."""
    made: list[Path] = []

    def freeze(name: str) -> Path:
        group = _FREEZER / f"{name}-{os.getpid()}"
        try:
            group.mkdir(parents=True)
        except OSError:
            pytest.skip("no group can be made here that freezes")
        made.append(group)
        (group / "cgroup.procs").write_text(str(sleeper.pid))
        (group / "freezer.state").write_text("FROZEN")
        # The kernel answers before the last of them is held.
        wait_until(lambda: (group / "freezer.state").read_text().strip() == "FROZEN", "the group to be frozen")
        return group

    yield freeze
    for group in made:
        (group / "freezer.state").write_text("THAWED")
        (_FREEZER / "cgroup.procs").write_text(str(sleeper.pid))
        group.rmdir()


@pytest.mark.root
@pytest.mark.parametrize("name", ["herocloud-test-frozen", "somebody-s-test-group"])
def test_a_frozen_process_goes_on(sleeper: Identity, freezing: Callable[[str], Path], name: str) -> None:
    group = freezing(name)
    assert frozen_groups.is_frozen(sleeper)
    frozen_groups.thaw(sleeper, [])
    wait_until(lambda: not frozen_groups.is_frozen(sleeper), "the process to go on")
    is_ours = name.startswith("herocloud")
    assert (group / "freezer.state").read_text().strip() == ("THAWED" if is_ours else "FROZEN")
    assert (group / "cgroup.procs").read_text().split() == ([str(sleeper.pid)] if is_ours else [])


@pytest.fixture
def second_version(tmp_path: Path, monkeypatch: Any) -> Callable[..., Path]:
    """Make groups of the second version out of plain files, for the process 7."""
    root = tmp_path / "groups"
    monkeypatch.setattr(group_places, "ROOT", root)
    monkeypatch.setattr(frozen_groups, "_PROC", tmp_path / "proc")

    def make(path: str, *, frozen: str) -> Path:
        group = root / path
        group.mkdir(parents=True)
        (root / "cgroup.controllers").touch()
        for folder in (group, *group.parents[: len(Path(path).parts) - 1]):
            (folder / "cgroup.freeze").write_text("1\n" if folder.name == frozen else "0\n")
            (folder / "cgroup.events").write_text("populated 1\nfrozen 1\n")
        (tmp_path / "proc/7").mkdir(parents=True)
        (tmp_path / "proc/7/cgroup").write_text(f"0::/{path}\n")
        return group

    return make


@pytest.mark.parametrize("frozen", ["herocloud", "d1-v1"])
def test_a_group_of_ours_is_thawed_and_so_is_the_one_of_all_vms(second_version: Any, frozen: str) -> None:
    group = second_version("herocloud/d1-v1", frozen=frozen)
    process = Identity(7, 1, "boot")
    assert frozen_groups.is_frozen(process)
    with pytest.raises(Permanent, match="echo 0 >"):
        # Plain files do not tell that it is thawed.
        frozen_groups.thaw(process, [])
    assert [(folder / "cgroup.freeze").read_text().strip() for folder in (group, group.parent)] == ["0", "0"]


def test_a_group_of_somebody_else_stays_frozen_and_is_left_for_the_one_in_the_orders(second_version: Any, tmp_path: Path) -> None:
    group = second_version("theirs", frozen="theirs")
    joined = tmp_path / "groups/herocloud/d1-v1/cgroup.procs"
    joined.parent.mkdir(parents=True)
    joined.touch()
    with pytest.raises(Permanent, match=rf"`echo 0 >{group}/cgroup.freeze`"):
        frozen_groups.thaw(Identity(7, 1, "boot"), [joined])
    assert (group / "cgroup.freeze").read_text() == "1\n"
    assert joined.read_text() == "7"
