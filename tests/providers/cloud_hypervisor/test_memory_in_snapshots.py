"""The memory of a VM, kept in a snapshot and read again, by the driver on the stand-in and the real program."""

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers import snapshot_memory
from herocloud.providers.cloud_hypervisor import DECLARATION, long_calls
from herocloud.providers.seam import Found, ProviderContext
from herocloud.providers.vmm import folders, identity, marks, memory_folders, users
from tests.providers.cloud_hypervisor.conftest import until

MIB = 1024**2
FILES = ["config.json", "memory-ranges", "state.json"]


def _owners(folder: Path) -> set[tuple[int, int, int]]:
    found = [folder, *folder.iterdir()]
    return {(path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode) & 0o077) for path in found}


def test_memory_is_kept_and_nobody_but_us_gets_to_it(bench: Any) -> None:
    bench.root()
    plain, saved = bench.held(root={"direct": False, "rate": None})
    bench.save(plain, saved)
    assert sorted(path.name for path in bench.memory.iterdir()) == FILES
    assert snapshot_memory.read(bench.data / bench.SNAPSHOT) == saved["memory"]
    assert _owners(bench.memory) == {(os.geteuid(), os.getegid(), 0)}
    assert not memory_folders.path_of(bench.data, "v1").exists()
    assert bench.see()["power"] == "paused"
    bench.power("vm.thaw", "paused", "running")
    assert bench.boots == 1


def test_a_vm_goes_on_from_its_memory_in_another_process(bench: Any) -> None:
    bench.root()
    bench.volume("data")
    bench.kept(root={"direct": False, "rate": None}, volumes=[{"volume": "data", "readonly": False}])
    work = bench.revival()
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see()["power"] == "running"
    assert bench.happened() == ["vm/restoring", "vm/restored", "vm/resuming", "vm/resumed"]
    # What it read through is gone, and what it read is as it was.
    assert not memory_folders.path_of(bench.data, "v1").exists()
    assert sorted(path.name for path in bench.memory.iterdir()) == FILES
    assert _owners(bench.memory) == {(os.geteuid(), os.getegid(), 0)}
    assert folders.console_socket(bench.data, "v1").is_socket()
    assert bench.see()["machine"] == bench.machine(root={"direct": False, "rate": None}, volumes=[{"volume": "data", "readonly": False}])


@pytest.mark.parametrize("asked", [{}, {"balloon": 16 * MIB}])
def test_a_guest_is_asked_for_what_its_machine_says_now_and_not_for_what_its_memory_knows(bench: Any, asked: dict[str, int]) -> None:
    bench.kept(balloon=64 * MIB)
    bench.do("vm.configure", bench.machine(balloon=64 * MIB), bench.machine(**asked))
    bench.driver.perform(bench.revival())
    assert bench.see() == {"machine": bench.machine(**asked), "power": "running"}
    assert bench.info["config"]["balloon"]["size"] == asked.get("balloon", 0)


def test_it_goes_on_as_often_as_somebody_wants_and_can_be_kept_again(bench: Any) -> None:
    saved = bench.kept()
    for time in ("one-1", "one-2"):
        bench.driver.perform(bench.revival(time))
        assert bench.happened()[-1] == "vm/resumed"
        bench.power("vm.stop", "running", "stopped")
    bench.driver.perform(bench.revival("one-3"))
    bench.power("vm.freeze", "running", "paused")
    bench.driver.undo(bench.work("snapshot.save", {**saved, "memory": None, "size": 0}, saved, part="snapshot.one"))
    assert list((bench.data / bench.SNAPSHOT).iterdir()) == []
    bench.save({**saved, "memory": None, "size": 0}, saved)


def test_what_is_not_held_is_not_kept(bench: Any) -> None:
    plain, saved = bench.held()
    bench.power("vm.thaw", "paused", "running")
    with pytest.raises(Conflict, match="is running and must be paused"):
        bench.driver.perform(bench.work("snapshot.save", plain, saved, part="snapshot.one"))
    bench.power("vm.stop", "running", "stopped")
    with pytest.raises(Conflict, match="does not run any more"):
        bench.driver.perform(bench.work("snapshot.save", plain, saved, part="snapshot.one"))
    assert list((bench.data / bench.SNAPSHOT).iterdir()) == []


def test_a_process_of_another_release_keeps_no_memory_that_nobody_reads(bench: Any) -> None:
    plain, saved = bench.held()
    saved = {**saved, "memory": {**saved["memory"], "version": "v99.0"}}
    with pytest.raises(Permanent, match=r"runs on Cloud Hypervisor v\d+\.\d+, and this snapshot is to be read by v99\.0"):
        bench.driver.perform(bench.work("snapshot.save", plain, saved, part="snapshot.one"))
    assert list((bench.data / bench.SNAPSHOT).iterdir()) == []


def test_a_machine_with_other_disks_does_not_go_on(bench: Any) -> None:
    bench.volume("data")
    bench.kept(volumes=[{"volume": "data", "readonly": False}])
    before = bench.see()["machine"]
    bench.do("vm.configure", before, {**before, "volumes": []})
    with pytest.raises(Permanent, match="has other disks than its memory knows"):
        bench.driver.perform(bench.revival())
    bench.driver.undo(bench.revival())
    assert bench.left_over() == []
    assert sorted(path.name for path in bench.memory.iterdir()) == FILES


@pytest.mark.parametrize(
    ("file", "cut", "words"),
    [
        ("config.json", 0, "config.json` is damaged"),
        ("state.json", 1, "is not whole"),
        ("memory-ranges", MIB, "is not whole"),
        ("memory-ranges", None, "memory-ranges` is gone"),
    ],
)
def test_memory_that_is_damaged_is_refused_with_the_way_out(bench: Any, file: str, cut: int | None, words: str) -> None:
    bench.kept()
    path = bench.memory / file
    if cut is None:
        path.unlink()
    else:
        os.truncate(path, cut)
    with pytest.raises(Permanent, match=words) as caught:
        bench.driver.perform(bench.revival())
    assert "--no-memory" in str(caught.value)
    bench.driver.undo(bench.revival())
    assert bench.left_over() == []
    assert not memory_folders.path_of(bench.data, "v1").exists()


def test_what_it_is_made_of_may_lie_elsewhere_by_now(bench: Any, tmp_path: Path) -> None:
    bench.kept()
    saved = json.loads((bench.memory / "config.json").read_bytes())
    # As if the data folder had had another name, which its sockets follow.
    saved["serial"]["socket"] = saved["vsock"]["socket"] = str(tmp_path / "elsewhere" / "socket")
    (bench.memory / "config.json").write_text(json.dumps(saved))
    bench.driver.perform(bench.revival())
    assert bench.info["config"]["vsock"]["socket"] == str(folders.agent_socket(bench.data, "v1"))
    assert bench.info["state"] == "Running"


def test_a_guest_that_went_on_and_ended_boots_from_its_disks(bench: Any) -> None:
    bench.kept()
    work = bench.revival()
    bench.driver.perform(work)
    _kill_vmm(bench)
    bench.driver.perform(work)
    assert bench.happened() == ["vm/booting", "vm/booted"]
    assert "its guest went on from the snapshot and ended since, so it boots from its disks" in bench.told
    _kill_vmm(bench)
    # Another restoring of the same snapshot has disks of its own again.
    bench.driver.perform(bench.revival("one-2"))
    assert bench.happened()[:2] == ["vm/restoring", "vm/restored"]


def test_a_vm_is_started_again_by_itself_after_it_went_on(bench: Any) -> None:
    bench.kept(restart="on-failure")
    bench.driver.perform(bench.revival())
    _kill_vmm(bench)
    until(lambda: bench.see()["power"] == "running" and bench.happened()[-1:] == ["vm/booted"], "it boots by itself")


def test_progress_is_told_and_a_call_that_takes_too_long_is_left() -> None:
    free, told = threading.Event(), []
    with pytest.raises(Temporary, match=r"keeping memory takes longer than \d+ s"):
        long_calls.carry_out(lambda: bool(free.wait(20)) and None, lambda: told.append("still"), 0.5, "keeping memory")
    assert told
    with pytest.raises(Temporary, match="cancelled"):
        long_calls.carry_out(lambda: bool(free.wait(20)) and None, lambda: None, 20, "reading memory", stopped=lambda: True)
    free.set()
    with pytest.raises(Conflict, match="as it came"):
        long_calls.carry_out(_fail, lambda: None, 20, "reading memory")
    assert long_calls.limit_for(0) < long_calls.limit_for(4 * 1024**3) < long_calls.limit_for(1024**4) == long_calls.MOST


def _fail() -> None:
    raise Conflict("as it came")


def _kill_vmm(bench: Any) -> None:
    process = bench.process
    assert process is not None
    identity.send(process, 9)
    assert identity.wait_for_death(process, 10)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_user_of_a_vm_writes_into_a_folder_of_its_own_alone(bench: Any) -> None:
    plain, saved = bench.held()
    user = users.of(bench.data, "v1")
    if not user.is_own:
        pytest.skip("needs users of their own for VMs")
    folder = memory_folders.open_for_writing(bench.data, "v1")
    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (user.uid, 0o700)
    (folder / "state.json").symlink_to(bench.data / "host.yaml")
    with pytest.raises(Permanent, match="not the memory of a VM"):
        memory_folders.take_over(bench.data, "v1", FILES)
    assert folder.stat().st_uid == 0
    bench.save(plain, saved)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_a_guest_that_got_out_cannot_have_us_take_over_what_is_not_its_own(bench: Any, kind: str) -> None:
    bench.running()
    if not users.of(bench.data, "v1").is_own:
        pytest.skip("needs users of their own for VMs")
    folder = memory_folders.open_for_writing(bench.data, "v1")
    other = bench.volume("other")
    other.chmod(0o600)
    path = folder / "state.json"
    if kind == "link":
        path.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        os.link(other, path)
    with pytest.raises((Permanent, OSError)):
        memory_folders.take_over(bench.data, "v1", ["state.json"])
    memory_folders.remove(bench.data, "v1")
    assert other.exists()
    assert not folder.exists()


def test_memory_is_of_the_release_that_the_vm_runs_on(bench: Any) -> None:
    role, context = DECLARATION.hypervisor, ProviderContext(bench.data)
    assert role is not None
    bench.running()
    assert role.version(context, "v1") == role.version(context, None) == f"v{bench.version}"
    mark = marks.read(bench.data, "v1")
    assert mark is not None
    # Started by a release that was replaced meanwhile.
    marks.write(bench.data, "v1", mark._replace(launched={**mark.launched, "version": "v52.0"}))
    assert role.version(context, "v1") == "v52.0"
    assert role.version(context, None) == f"v{bench.version}"
