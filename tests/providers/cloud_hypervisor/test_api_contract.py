"""What the API does, held against the stand-in and the real program alike."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.cloud_hypervisor.client import Client, Lost, Refusal, Silent

pytestmark = pytest.mark.world

MIB = 1024**2
Start = Callable[..., Any]


def _raw(path: Any, text: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(10)
        wire.connect(str(path))
        wire.sendall(text.encode())
        return wire.recv(65536).decode()


def test_ping_tells_version_and_process(vmm: Any) -> None:
    answer = vmm.client.ping()
    assert answer["pid"] == vmm.process.pid
    assert vmm.client.release >= 50


def test_a_process_without_a_vm_has_no_info(vmm: Any) -> None:
    assert vmm.client.info() is None


def test_deleting_what_is_not_there_succeeds(vmm: Any) -> None:
    vmm.client.delete()


def test_creating_tries_nothing_and_booting_tries_everything(vmm: Any) -> None:
    vmm.client.create(vmm.config(cpus={"boot_vcpus": 4, "max_vcpus": 2}))
    assert vmm.info["state"] == "Created"
    with pytest.raises(Refusal, match="Max CPUs") as caught:
        vmm.client.boot()
    assert "Stack backtrace" not in str(caught.value)


def test_a_second_vm_in_a_process_is_refused(vmm: Any) -> None:
    vmm.client.create(vmm.config())
    with pytest.raises(Refusal) as caught:
        vmm.client.create(vmm.config())
    assert caught.value.is_taken
    assert vmm.info["state"] == "Created"


def test_a_failed_creation_leaves_nothing_behind(vmm: Any) -> None:
    with pytest.raises(Refusal):
        vmm.client.create(vmm.config(serial={"mode": "Socket", "socket": str(vmm.folder / "no" / "such" / "folder")}))
    assert vmm.client.info() is None
    vmm.running()
    assert vmm.info["state"] == "Running"


def test_a_booted_vm_runs_in_the_same_process(vmm: Any) -> None:
    vmm.running()
    assert vmm.info["state"] == "Running"
    assert vmm.client.ping()["pid"] == vmm.process.pid


def test_a_stopped_vm_looks_like_one_that_never_ran_and_boots_again(vmm: Any) -> None:
    vmm.running()
    vmm.client.shutdown()
    assert vmm.info["state"] == "Created"
    vmm.client.boot()
    assert vmm.info["state"] == "Running"


def test_pausing_twice_and_resuming_twice_is_fine(vmm: Any) -> None:
    vmm.running()
    for act, state in ((vmm.client.pause, "Paused"), (vmm.client.resume, "Running")):
        act()
        act()
        assert vmm.info["state"] == state


def test_what_needs_a_running_vm_says_so(vmm: Any) -> None:
    vmm.client.create(vmm.config())
    for act in (vmm.client.pause, vmm.client.shutdown, vmm.client.press_power_button):
        with pytest.raises(Refusal) as caught:
            act()
        assert caught.value.is_off


def test_a_wrong_field_is_answered_with_success_and_does_nothing(vmm: Any) -> None:
    vmm.running()
    body = '{"vcpus":2}'
    answer = _raw(vmm.socket, f"PUT /api/v1/vm.resize HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    assert " 204 " in answer.splitlines()[0]
    assert vmm.info["config"]["cpus"]["boot_vcpus"] == 1


def test_the_client_does_not_send_a_wrong_field(vmm: Any) -> None:
    vmm.running()
    with pytest.raises(ValueError, match="`vcpus` is not a field of the API"):
        vmm.client.resize({"vcpus": 2})


def test_a_body_where_none_belongs_is_refused(vmm: Any) -> None:
    answer = _raw(vmm.socket, "PUT /api/v1/vm.boot HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    assert " 400 " in answer.splitlines()[0]


def test_a_wrong_verb_and_a_wrong_path_are_refused(vmm: Any) -> None:
    assert " 400 " in _raw(vmm.socket, "GET /api/v1/vm.boot HTTP/1.1\r\n\r\n").splitlines()[0]
    assert " 404 " in _raw(vmm.socket, "GET /api/v1/vm.fly HTTP/1.1\r\n\r\n").splitlines()[0]


def test_processors_come_while_it_runs(vmm: Any) -> None:
    vmm.running()
    vmm.client.resize({"desired_vcpus": 3})
    assert vmm.info["config"]["cpus"]["boot_vcpus"] == 3
    assert len(_vcpus(vmm)) == 3


def test_more_processors_than_the_most_are_refused(vmm: Any) -> None:
    vmm.running()
    with pytest.raises(Refusal):
        vmm.client.resize({"desired_vcpus": 5})


def test_a_processor_is_gone_only_when_the_guest_has_agreed(vmm: Any) -> None:
    vmm.running(cpus={"boot_vcpus": 2, "max_vcpus": 4})
    vmm.client.resize({"desired_vcpus": 1})
    assert vmm.info["config"]["cpus"]["boot_vcpus"] == 1
    with pytest.raises(Refusal) as caught:
        vmm.client.resize({"desired_vcpus": 1})
    assert caught.value.is_pending


def test_memory_that_the_guest_does_not_take_is_not_counted(vmm: Any) -> None:
    vmm.running()
    vmm.client.resize({"desired_ram": 256 * MIB})
    info = vmm.info
    assert info["config"]["memory"]["size"] == 128 * MIB
    assert info["config"]["memory"]["hotplugged_size"] == 128 * MIB
    assert info["memory_actual_size"] == 128 * MIB


@pytest.mark.parametrize(
    ("wanted", "why"), [(64 * MIB, "below the boot size"), (512 * MIB, "beyond the room"), (129 * MIB, "no whole block")]
)
def test_memory_outside_of_its_room_is_refused(vmm: Any, wanted: int, why: str) -> None:
    vmm.running()
    with pytest.raises(Refusal):
        vmm.client.resize({"desired_ram": wanted})
    assert vmm.info["config"]["memory"].get("hotplugged_size") is None, why


def test_a_disk_comes_while_it_runs_and_has_a_place(vmm: Any) -> None:
    vmm.running()
    answer = vmm.client.add_disk(vmm.disk("data"))
    assert answer["id"] == "data"
    assert answer["bdf"].startswith("0000:00:")
    assert "data" in vmm.tree
    assert [disk["id"] for disk in vmm.info["config"]["disks"]] == ["data"]


def test_a_disk_of_a_vm_that_does_not_run_has_no_place_yet(vmm: Any) -> None:
    vmm.client.create(vmm.config())
    assert vmm.client.add_disk(vmm.disk("data")) is None
    vmm.client.boot()
    assert "data" in vmm.tree


def test_an_id_is_given_once(vmm: Any) -> None:
    vmm.running(disks=[vmm.disk("data")])
    with pytest.raises(Refusal, match="not unique"):
        vmm.client.add_disk({**vmm.disk("more"), "id": "data"})


def test_a_disk_that_another_vm_writes_is_refused_at_boot_and_leaves_a_vm_half_built(start: Start) -> None:
    first, second = start(), start()
    disk = first.disk("data")
    first.running(disks=[disk])
    second.client.create(second.config(disks=[disk]))
    with pytest.raises(Refusal, match="lock"):
        second.client.boot()
    assert second.info["state"] == "Created"
    with pytest.raises(Refusal) as caught:
        second.client.boot()
    assert caught.value.is_taken
    second.client.delete()
    second.running()
    assert second.info["state"] == "Running"


def test_two_vms_may_read_the_same_disk(start: Start) -> None:
    first, second = start(), start()
    disk = first.disk("data", readonly=True)
    first.running(disks=[disk])
    second.running(disks=[disk])
    assert second.info["state"] == "Running"


def test_a_disk_is_gone_from_the_configuration_before_the_guest_lets_go(vmm: Any) -> None:
    vmm.running(disks=[vmm.disk("data")])
    vmm.client.remove_device("data")
    assert not vmm.info["config"].get("disks")
    assert "data" in vmm.tree
    with pytest.raises(Refusal):
        vmm.client.add_disk(vmm.disk("data"))


def test_removing_what_is_not_there_is_refused(vmm: Any) -> None:
    vmm.running()
    with pytest.raises(Refusal) as caught:
        vmm.client.remove_device("nothing")
    assert caught.value.is_unknown_device


def test_a_disk_grows_file_and_device(vmm: Any) -> None:
    disk = vmm.disk("data")
    vmm.running(disks=[disk])
    vmm.client.resize_disk("data", 8 * MIB)
    assert os.stat(disk["path"]).st_size == 8 * MIB  # noqa: PTH116


def test_a_disk_keeps_its_limits(vmm: Any) -> None:
    limits = {"bandwidth": {"size": 1000, "refill_time": 1000, "one_time_burst": 500}, "ops": {"size": 10, "refill_time": 1000}}
    vmm.running(disks=[vmm.disk("data", rate_limiter_config=limits)])
    (disk,) = vmm.info["config"]["disks"]
    kept = disk["rate_limiter_config"]
    assert kept["bandwidth"]["size"] == 1000
    assert kept["bandwidth"]["one_time_burst"] == 500
    assert kept["ops"]["size"] == 10


def test_a_dead_vsock_socket_is_fatal_for_a_boot(vmm: Any) -> None:
    path = vmm.folder / "vsock.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    vmm.client.create(vmm.config(vsock={"cid": 3, "socket": str(path)}))
    with pytest.raises(Refusal):
        vmm.client.boot()
    path.unlink()
    vmm.client.delete()
    vmm.running(vsock={"cid": 3, "socket": str(path)})
    assert path.exists()


def test_a_missing_kernel_is_named(vmm: Any) -> None:
    vmm.client.create(vmm.config(payload={"kernel": str(vmm.folder / "nothing")}))
    with pytest.raises(Refusal, match="No such file"):
        vmm.client.boot()


def test_more_queues_than_processors_are_refused(vmm: Any) -> None:
    vmm.running()
    with pytest.raises(Refusal, match="must not exceed boot vCPUs"):
        vmm.client.add_disk(vmm.disk("data", num_queues=2))


def test_a_balloon_is_what_was_asked_for_and_the_memory_that_is_left_what_was_given(vmm: Any) -> None:
    vmm.running(balloon={"id": "balloon", "size": 16 * MIB, "deflate_on_oom": True})
    vmm.client.resize({"desired_balloon": 64 * MIB})
    # This guest gives nothing.
    assert (vmm.info["config"]["balloon"]["size"], vmm.info["memory_actual_size"]) == (64 * MIB, 128 * MIB)
    vmm.client.reboot()
    assert vmm.info["config"]["balloon"]["size"] == 64 * MIB


def test_a_balloon_is_compared_with_the_memory_at_boot_when_something_is_plugged_in(vmm: Any) -> None:
    vmm.running(balloon={"id": "balloon", "size": 0})
    vmm.client.resize({"desired_balloon": 128 * MIB})
    with pytest.raises(Refusal, match="Balloon size"):
        vmm.client.add_disk(vmm.disk("data"))
    vmm.client.resize({"desired_balloon": 64 * MIB})
    assert vmm.client.add_disk(vmm.disk("data"))


def test_a_balloon_that_is_not_there_at_boot_is_never_there(vmm: Any) -> None:
    vmm.running()
    with pytest.raises(Refusal, match="Missing virtio-balloon"):
        vmm.client.resize({"desired_balloon": 64 * MIB})


def test_transparent_huge_pages_are_asked_for_unless_said_otherwise(vmm: Any) -> None:
    vmm.running()
    assert vmm.info["config"]["memory"]["thp"] is True


def test_counters_that_never_counted_are_left_out(vmm: Any) -> None:
    vmm.running(disks=[vmm.disk("data")])
    counted = vmm.client.counters()["data"]
    assert all(value < 2**63 for value in counted.values())
    assert "read_bytes" in counted


def test_ten_connections_are_served_and_no_more(vmm: Any) -> None:
    wires = []
    try:
        for _ in range(10):
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            wire.connect(str(vmm.socket))
            wires.append(wire)
        with pytest.raises((Silent, Lost)):
            vmm.client.ping()
    finally:
        for wire in wires:
            wire.close()
    # The program notices at its next turn that they are gone.
    for _ in range(300):
        try:
            vmm.client.ping()
            break
        except Silent:
            threading.Event().wait(0.01)
    for _ in range(30):
        Client(vmm.socket, timeout=20).ping()


def test_ending_the_process_removes_its_socket(vmm: Any) -> None:
    vmm.running()
    vmm.client.end()
    assert vmm.process.wait(20) == 0
    assert not vmm.socket.exists()


def test_sigterm_ends_it_with_success(vmm: Any) -> None:
    vmm.running()
    vmm.process.terminate()
    assert vmm.process.wait(20) == 0


def test_what_happens_is_written_down(vmm: Any) -> None:
    vmm.running()
    vmm.client.pause()
    vmm.client.resume()
    vmm.client.end()
    vmm.process.wait(20)
    seen = [event.key for event in vmm.seen() if event.source in ("vm", "vmm")]
    assert seen == [
        "vmm/starting",
        "vm/booting",
        "vm/booted",
        "vm/pausing",
        "vm/paused",
        "vm/resuming",
        "vm/resumed",
        "vm/shutdown",
        "vm/deleted",
        "vmm/shutdown",
    ]


def test_a_reset_keeps_process_and_configuration(vmm: Any) -> None:
    vmm.running(disks=[vmm.disk("data")])
    vmm.client.reboot()
    assert vmm.info["state"] == "Running"
    assert vmm.client.ping()["pid"] == vmm.process.pid
    assert "data" in vmm.tree


def test_a_machine_may_not_be_snapshotted_while_it_runs(vmm: Any) -> None:
    vmm.running()
    (vmm.folder / "snapshot").mkdir()
    with pytest.raises(Refusal):
        vmm.client.snapshot(vmm.folder / "snapshot")


def test_vcpus_are_pinned_at_boot(vmm: Any) -> None:
    vmm.running(cpus={"boot_vcpus": 1, "max_vcpus": 1, "affinity": [{"vcpu": 0, "host_cpus": [0]}]})
    assert [os.sched_getaffinity(task) for task in _vcpus(vmm)] == [{0}]


def _vcpus(vmm: Any) -> list[int]:
    tasks = Path(f"/proc/{vmm.process.pid}/task")
    return [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().startswith("vcpu")]
