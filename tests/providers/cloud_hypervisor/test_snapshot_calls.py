"""What `vm.snapshot` and `vm.restore` do, held against the stand-in and the real program alike."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.cloud_hypervisor.client import Refusal
from tests.providers.cloud_hypervisor.conftest import STAND_IN, skip_where_kvm_keeps_its_state

pytestmark = pytest.mark.world

MIB = 1024**2
Start = Callable[..., Any]
FILES = ["config.json", "memory-ranges", "state.json"]


@pytest.fixture
def held(vmm: Any) -> Any:
    """A VM that is paused, with a disk and a vsock."""
    return held_in(vmm)


def held_in(vmm: Any, **fields: Any) -> Any:
    vmm.running(disks=[vmm.disk("data")], vsock={"id": "vsock", "cid": 3, "socket": str(vmm.folder / "vsock")}, **fields)
    vmm.client.pause()
    return vmm


def snapshot(vmm: Any, name: str = "snapshot") -> Path:
    """Take a snapshot, where KVM lets the program do it."""
    folder: Path = vmm.folder / name
    folder.mkdir()
    try:
        vmm.client.snapshot(folder)
    except Refusal as refusal:
        skip_where_kvm_keeps_its_state(refusal)
        raise
    return folder


def test_a_vm_that_runs_is_refused_and_nothing_is_written(vmm: Any) -> None:
    vmm.running()
    folder = vmm.folder / "snapshot"
    folder.mkdir()
    with pytest.raises(Refusal, match="while VM is running"):
        vmm.client.snapshot(folder)
    assert list(folder.iterdir()) == []
    assert vmm.info["state"] == "Running"


def test_what_needs_a_vm_and_what_needs_none_say_so(vmm: Any) -> None:
    with pytest.raises(Refusal) as caught:
        vmm.client.snapshot(vmm.folder)
    assert caught.value.is_off
    vmm.running()
    with pytest.raises(Refusal) as caught:
        vmm.client.restore({"source_url": f"file://{vmm.folder}"})
    assert caught.value.is_taken


def test_three_files_are_written_and_the_vm_stays_held(held: Any) -> None:
    folder = snapshot(held)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert (folder / "memory-ranges").stat().st_size == 128 * MIB
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    saved = json.loads((folder / "config.json").read_bytes())
    assert [disk["id"] for disk in saved["disks"]] == ["data"]
    assert held.info["state"] == "Paused"
    held.client.resume()
    assert held.info["state"] == "Running"


def test_a_folder_that_is_not_there_is_not_made(held: Any) -> None:
    snapshot(held)
    with pytest.raises(Refusal, match="not a directory"):
        held.client.snapshot(held.folder / "nowhere")


def test_files_that_are_there_are_not_replaced(held: Any) -> None:
    folder = snapshot(held)
    with pytest.raises(Refusal, match="File exists"):
        held.client.snapshot(folder)


def test_a_process_without_a_vm_gets_one_that_is_held_where_it_was(held: Any, start: Start) -> None:
    folder = snapshot(held)
    held.client.end()
    other = start()
    other.client.restore({"source_url": f"file://{folder}"})
    assert other.info["state"] == "Paused"
    assert "data" in other.tree
    assert (held.folder / "vsock").is_socket()
    other.client.resume()
    assert other.info["state"] == "Running"
    seen = [event.key for event in other.seen() if event.source in ("vm", "vmm")]
    assert seen == ["vmm/starting", "vm/restoring", "vm/restored", "vm/resuming", "vm/resumed"]


def test_it_can_be_held_and_kept_again(held: Any, start: Start) -> None:
    folder = snapshot(held)
    held.client.end()
    other = start()
    other.client.restore({"source_url": f"file://{folder}"})
    assert sorted(path.name for path in snapshot(other, "again").iterdir()) == FILES
    other.client.resume()
    other.client.reboot()
    assert other.info["state"] == "Running"


def test_the_configuration_may_name_other_paths(held: Any, start: Start) -> None:
    folder = snapshot(held)
    held.client.end()
    other = start()
    saved = json.loads((folder / "config.json").read_bytes())
    os.rename(held.folder / "data.raw", other.folder / "moved.raw")  # noqa: PTH104
    saved["disks"][0]["path"] = str(other.folder / "moved.raw")
    saved["vsock"]["socket"] = str(other.folder / "vsock")
    (folder / "config.json").write_text(json.dumps(saved))
    other.client.restore({"source_url": f"file://{folder}"})
    assert other.info["config"]["disks"][0]["path"] == str(other.folder / "moved.raw")
    assert (other.folder / "vsock").is_socket()


@pytest.mark.parametrize("missing", FILES)
def test_a_file_that_is_missing_is_named_and_leaves_the_process_without_a_vm(held: Any, start: Start, missing: str) -> None:
    folder = snapshot(held)
    held.client.end()
    (folder / missing).unlink()
    other = start()
    with pytest.raises(Refusal, match=r"(?i)snapshot file.*No such file"):
        other.client.restore({"source_url": f"file://{folder}"})
    assert other.client.info() is None
    other.running()


def test_a_disk_that_somebody_writes_to_is_refused_and_leaves_the_process_without_a_vm(held: Any, start: Start) -> None:
    folder = snapshot(held)
    other = start()
    # The first one still runs; its sockets are put aside as those of a dead one are.
    (held.folder / "vsock").unlink()
    with pytest.raises(Refusal, match="lock"):
        other.client.restore({"source_url": f"file://{folder}"})
    assert other.client.info() is None


def test_a_socket_that_a_dead_process_left_is_fatal(held: Any, start: Start) -> None:
    folder = snapshot(held)
    held.process.kill()
    held.process.wait()
    other = start()
    with pytest.raises(Refusal, match="in use"):
        other.client.restore({"source_url": f"file://{folder}"})
    (held.folder / "vsock").unlink()
    other.client.restore({"source_url": f"file://{folder}"})
    assert other.info["state"] == "Paused"


def test_memory_that_was_cut_off_is_refused(held: Any, start: Start) -> None:
    folder = snapshot(held)
    held.client.end()
    os.truncate(folder / "memory-ranges", MIB)
    other = start()
    if other.process.args[0] != str(STAND_IN):
        pytest.skip("needs the stand-in: the real program takes what is missing for zeros where the file system knows holes")
    with pytest.raises(Refusal):
        other.client.restore({"source_url": f"file://{folder}"})
    assert other.client.info() is None
