"""Every row of the planning table is done to a running VM: what changes, and what does not (same process, same start of the guest).

`_ROWS` says which test does which row; a row that is added to the table without one fails the first test.
"""

import fcntl
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model import guest_agreement, powers
from herocloud.model.errors import Permanent
from herocloud.model.specs import VmSpec
from herocloud.model.words import Impact
from herocloud.providers.cloud_hypervisor import planning, slots, vmm_process
from herocloud.providers.seam import Attachment, Found, Tap
from herocloud.providers.vmm import huge_pages, identity, virtiofs
from tests.providers.cloud_hypervisor.conftest import until

MIB = 1024**2
SPEC: dict[str, Any] = {
    "sid": "v1",
    "vcpus": 1,
    "memory": 128 * MIB,
    "cpu": {"max": 4, "affinity": None, "topology": None},
    "memory_options": {"boot": 128 * MIB, "hotplug": 256 * MIB, "hugepages": False, "mergeable": False},
    "root_disk": None,
    "volumes": [],
    "networks": [],
    "mycelium": None,
    "shares": [],
    "labels": {},
    "restart": "no",
}
_ROWS = {
    "vcpus": ("test_vcpus_grow_live", "test_vcpus_shrink_live", "test_more_vcpus_than_it_booted_room_for_take_a_power_cycle"),
    "memory": ("test_memory_grows_live_and_shrinks_again", "test_memory_outside_of_its_room_takes_a_power_cycle"),
    "cpu.max": ("test_what_is_fixed_at_boot_takes_a_power_cycle",),
    "cpu.topology": ("test_what_is_fixed_at_boot_takes_a_power_cycle",),
    "cpu.affinity": ("test_what_is_fixed_at_boot_takes_a_power_cycle",),
    "memory_options": ("test_what_is_fixed_at_boot_takes_a_power_cycle", "test_huge_pages_take_a_power_cycle"),
    "memory_options.balloon": (
        "test_a_balloon_is_filled_and_emptied_live",
        "test_a_balloon_that_the_guest_does_not_fill_is_a_failure",
        "test_a_balloon_as_large_as_the_memory_at_boot_takes_a_power_cycle",
    ),
    "memory_options.thp": ("test_what_is_fixed_at_boot_takes_a_power_cycle",),
    "root_disk": ("test_a_root_disk_where_there_was_none_takes_a_power_cycle", "test_the_root_disk_grows_live"),
    "root_disk.direct": ("test_how_the_root_disk_is_opened_takes_a_power_cycle",),
    "root_disk.rate": ("test_how_the_root_disk_is_opened_takes_a_power_cycle",),
    "volumes": (
        "test_a_volume_is_plugged_in_grown_and_unplugged_live",
        "test_a_volume_that_is_only_read_from_now_on_is_plugged_in_again_live",
        "test_a_machine_whose_slots_are_full_takes_no_more_volumes_live",
    ),
    "networks": ("test_a_card_is_plugged_in_and_unplugged_live", "test_what_the_host_does_with_packets_changes_live"),
    "mycelium": ("test_a_card_is_plugged_in_and_unplugged_live", "test_what_a_guest_reads_at_boot_takes_a_power_cycle"),
    "shares": ("test_a_share_takes_a_power_cycle_and_a_daemon",),
    "lost_shares": ("test_a_share_takes_a_power_cycle_and_a_daemon",),
    "user_data": ("test_what_a_guest_reads_at_boot_takes_a_power_cycle",),
    "ssh_keys": ("test_what_a_guest_reads_at_boot_takes_a_power_cycle",),
    "env": ("test_what_a_guest_reads_at_boot_takes_a_power_cycle",),
    "secrets": ("test_what_a_guest_reads_at_boot_takes_a_power_cycle",),
    "image_id.nocloud": ("test_a_seed_where_there_was_none_takes_a_power_cycle",),
    "image_id.payload": ("test_another_kernel_takes_a_power_cycle",),
    "image_id.source": ("test_a_machine_is_replaced_where_its_content_is", "test_a_root_disk_where_there_was_none_takes_a_power_cycle"),
    "hypervisor": ("test_a_machine_is_replaced_where_its_content_is",),
    "labels": ("test_labels_and_restart_change_live",),
    "restart": ("test_labels_and_restart_change_live",),
    "state": (
        "test_a_paused_guest_goes_on",
        "test_a_guest_that_is_paused_is_not_asked",
        "test_a_paused_machine_takes_what_needs_no_guest",
        "test_a_guest_that_hears_its_button_is_not_cut_off",
    ),
}
_OF_NO_MACHINE = {"image", "hostname", "sid", "slices", "snapshots"}
"""Fields that no running machine has: what follows from them is in the rows of others, or in the state alone."""


def test_every_row_of_the_table_has_a_test_that_does_it() -> None:
    assert set(planning._COSTS) <= set(_ROWS)
    assert {row.partition(".")[0] for row in _ROWS} == set(VmSpec.__annotations__) - _OF_NO_MACHINE | {"image_id", powers.LOST_SHARES}
    assert {name for names in _ROWS.values() for name in names} <= set(globals())


def _impact(bench: Any, path: str, before: Any, after: Any) -> Impact:
    return planning.judge(path, before, after, SPEC, bench.see()["machine"]).impact


def _change(bench: Any, kind: str, **fields: Any) -> Any:
    """Change the machine live, hold it against the probes, and show that process and guest are the same."""
    before, process, boots = bench.see()["machine"], bench.process, bench.boots
    work = bench.work(kind, before, {**before, **fields})
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see() == {"machine": work.step.after, "power": "running"}
    assert (bench.process, bench.boots) == (process, boots)
    return work


def _reject(bench: Any, kind: str, **fields: Any) -> None:
    before, info = bench.see()["machine"], bench.info["config"]
    with pytest.raises(Permanent, match="needs a power-cycle"):
        bench.driver.perform(bench.work(kind, before, {**before, **fields}))
    assert bench.info["config"] == info


def _cycle(bench: Any, **fields: Any) -> Any:
    """Change the machine by a power-cycle: another process, and the new value in what runs."""
    before, process = bench.see()["machine"], bench.process
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.configure", before, {**before, **fields})
    bench.power("vm.boot", "stopped", "running")
    assert bench.process != process
    assert bench.see()["machine"] == {**before, **fields}
    return bench.info["config"]


def test_vcpus_grow_live(bench: Any) -> None:
    bench.running()
    assert _impact(bench, "vcpus", 1, 3) is Impact.LIVE
    work = _change(bench, "vm.resize", vcpus=3)
    assert bench.info["config"]["cpus"]["boot_vcpus"] == 3
    if not bench.real:
        bench.driver.undo(work)
        assert bench.see()["machine"]["vcpus"] == 1


def test_vcpus_shrink_live(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its processors")
    bench.running(vcpus=3)
    assert _impact(bench, "vcpus", 3, 2) is Impact.LIVE
    _change(bench, "vm.resize", vcpus=2)
    assert (bench.info["config"]["cpus"]["boot_vcpus"], bench.info["config"]["cpus"]["max_vcpus"]) == (2, 4)


def test_vcpus_that_a_guest_keeps_are_a_failure_and_not_a_success(bench: Any) -> None:
    bench.running(vcpus=2, payload={**bench.machine()["payload"], "cmdline": "guest=silent"})
    before = bench.see()["machine"]
    with pytest.raises(Permanent, match="did not let go of a processor"):
        bench.driver.perform(bench.work("vm.resize", before, {**before, "vcpus": 1}))
    assert bench.see()["machine"] == before


def test_more_vcpus_than_it_booted_room_for_take_a_power_cycle(bench: Any) -> None:
    bench.running()
    assert _impact(bench, "vcpus", 1, 5) is Impact.REBOOT
    assert _cycle(bench, vcpus=5, max_vcpus=8)["cpus"]["boot_vcpus"] == 5


@pytest.mark.parametrize(
    ("path", "fields", "shown"),
    [
        ("cpu.max", {"max_vcpus": 8}, ("cpus", "max_vcpus", 8)),
        (
            "cpu.topology",
            {"topology": {"threads": 1, "cores": 4, "dies": 1, "packages": 1}},
            ("cpus", "topology", {"threads_per_core": 1, "cores_per_die": 4, "dies_per_package": 1, "packages": 1}),
        ),
        ("cpu.affinity", {"affinity": [[0]]}, ("cpus", "affinity", [{"vcpu": 0, "host_cpus": [0]}])),
        ("memory_options", {"hotplug": 128 * MIB}, ("memory", "hotplug_size", 128 * MIB)),
        ("memory_options", {"hotplug": 100 * MIB}, ("memory", "hotplug_size", 128 * MIB)),
        ("memory_options", {"mergeable": True}, ("memory", "mergeable", True)),
        ("memory_options.thp", {"thp": False}, ("memory", "thp", False)),
        ("memory_options", {"boot_memory": 256 * MIB, "memory": 256 * MIB}, ("memory", "size", 256 * MIB)),
    ],
)
def test_what_is_fixed_at_boot_takes_a_power_cycle(bench: Any, path: str, fields: dict[str, Any], shown: tuple[str, str, Any]) -> None:
    bench.running()
    assert _impact(bench, path, None, 1) is Impact.REBOOT
    _reject(bench, "vm.update", **fields)
    assert _cycle(bench, **fields)[shown[0]][shown[1]] == shown[2]


def test_memory_grows_live_and_shrinks_again(bench: Any) -> None:
    bench.running()
    assert _impact(bench, "memory", 128 * MIB, 256 * MIB) is Impact.LIVE
    before = bench.see()["machine"]
    if bench.real:
        # Its guest runs no driver here, so nobody takes the memory.
        with pytest.raises(Permanent, match="did not take part in changing its memory"):
            bench.driver.perform(bench.work("vm.resize", before, {**before, "memory": 256 * MIB}))
        assert bench.see()["machine"] == before
        return
    work = _change(bench, "vm.resize", memory=256 * MIB)
    assert bench.info["memory_actual_size"] == 256 * MIB
    bench.driver.undo(work)
    assert bench.info["memory_actual_size"] == 128 * MIB


@pytest.mark.parametrize(("wanted", "hotplug"), [(64, 256), (512, None), (129, 256)])
def test_memory_outside_of_its_room_takes_a_power_cycle(bench: Any, wanted: int, hotplug: int | None) -> None:
    bench.running()
    assert _impact(bench, "memory", 128 * MIB, wanted * MIB) is Impact.REBOOT
    config = _cycle(bench, memory=wanted * MIB, boot_memory=wanted * MIB, hotplug=hotplug and hotplug * MIB)
    assert (config["memory"]["size"], config["memory"].get("hotplug_size")) == (wanted * MIB, hotplug and hotplug * MIB)


def test_a_balloon_is_filled_and_emptied_live(bench: Any) -> None:
    bench.running()
    before, pages = bench.see()["machine"], bench.info["config"]["balloon"]
    assert (pages["size"], _impact(bench, "memory_options.balloon", None, 64 * MIB)) == (0, Impact.LIVE)
    work = bench.work("vm.resize", before, {**before, "balloon": 64 * MIB})
    if bench.real:
        # Its guest runs no driver here, so nobody gives anything back.
        with pytest.raises(Permanent, match="has given 0 B of its memory back after 1 s where 64 MiB were asked for"):
            bench.driver.perform(work)
        assert (bench.see()["machine"], bench.info["config"]["balloon"]["size"]) == (before, 0)
        return
    _change(bench, "vm.resize", balloon=64 * MIB)
    assert (bench.info["config"]["balloon"]["size"], bench.info["memory_actual_size"]) == (64 * MIB, 64 * MIB)
    _change(bench, "vm.resize", balloon=96 * MIB)
    assert bench.info["memory_actual_size"] == 32 * MIB
    assert _impact(bench, "memory_options.balloon", 96 * MIB, None) is Impact.LIVE
    bench.driver.undo(bench.work("vm.resize", before, bench.see()["machine"]))
    assert (bench.see()["machine"], bench.info["memory_actual_size"]) == (before, 128 * MIB)


def test_a_balloon_that_the_guest_does_not_fill_is_a_failure(bench: Any) -> None:
    bench.running(payload={**bench.machine()["payload"], "cmdline": "guest=silent"})
    before = bench.see()["machine"]
    with pytest.raises(Permanent, match="64 MiB were asked for, and is asked for 0 B again"):
        bench.driver.perform(bench.work("vm.resize", before, {**before, "balloon": 64 * MIB}))
    assert bench.see()["machine"] == before


def test_a_guest_that_is_held_fills_its_balloon_when_it_goes_on(bench: Any) -> None:
    before = bench.running().see()["machine"]
    bench.power("vm.pause", "running", "paused")
    bench.do("vm.resize", before, {**before, "balloon": 64 * MIB})
    assert (bench.see()["power"], bench.info["memory_actual_size"]) == ("paused", 128 * MIB)
    bench.power("vm.resume", "paused", "running")
    if not bench.real:
        until(lambda: bench.info["memory_actual_size"] == 64 * MIB, "the guest gave what it was asked for")
    assert bench.see() == {"machine": {**before, "balloon": 64 * MIB}, "power": "running"}


USE = {"volume": "data", "readonly": False, "size": 4 * MIB}


@pytest.mark.parametrize(
    ("path", "fields"),
    [("vcpus", {"vcpus": 1}), ("memory", {"memory": 256 * MIB}), ("volumes", {"volumes": []})],
)
def test_a_guest_that_is_paused_is_not_asked(bench: Any, path: str, fields: dict[str, Any]) -> None:
    bench.volume("data", 4 * MIB)
    before = bench.running(vcpus=2, volumes=[USE]).see()["machine"]
    bench.power("vm.pause", "running", "paused")
    tree, config = set(bench.info["device_tree"]), bench.info["config"]
    assert guest_agreement.is_asked(path, before[path], fields[path])
    work = bench.work("vm.resize", before, {**before, **fields})
    with pytest.raises(Permanent, match=r"`vm.web` is paused, so its guest cannot .*`herocloud vm resume vm.web` lets it go on"):
        bench.driver.perform(work)
    # Nothing is left pending that the guest would do later.
    assert (set(bench.info["device_tree"]), bench.info["config"]) == (tree, config)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    assert bench.see() == {"machine": before, "power": "paused"}


@pytest.mark.parametrize(("path", "fields"), [("vcpus", {"vcpus": 3}), ("volumes", {"volumes": [USE]}), ("labels", {"labels": {"a": "b"}})])
def test_a_paused_machine_takes_what_needs_no_guest(bench: Any, path: str, fields: dict[str, Any]) -> None:
    bench.volume("data", 4 * MIB)
    before = bench.running().see()["machine"]
    bench.power("vm.pause", "running", "paused")
    process, boots = bench.process, bench.boots
    assert not guest_agreement.is_asked(path, before[path], fields[path])
    bench.do("vm.resize", before, {**before, **fields})
    assert bench.see() == {"machine": {**before, **fields}, "power": "paused"}
    bench.power("vm.resume", "paused", "running")
    assert (bench.process, bench.boots) == (process, boots)
    assert bench.see() == {"machine": {**before, **fields}, "power": "running"}


def test_memory_changes_live_around_a_balloon(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that takes memory, and gives it back")
    bench.running(balloon=64 * MIB)
    for memory in (256, 192):
        # By as much as the balloon holds, too, which a look at the memory that is left cannot tell apart.
        _change(bench, "vm.resize", memory=memory * MIB)
        until(lambda memory=memory: bench.info["memory_actual_size"] == (memory - 64) * MIB, "the balloon is filled again")  # type: ignore[misc]
    _change(bench, "vm.resize", memory=128 * MIB, balloon=32 * MIB)
    until(lambda: bench.info["memory_actual_size"] == 96 * MIB, "the smaller balloon is filled, after it was emptied for the memory")


def test_what_a_guest_really_gave_back_is_no_drift_and_what_it_was_asked_for_is(bench: Any) -> None:
    silent = {**bench.machine()["payload"], "cmdline": "guest=silent"}
    bench.running(balloon=64 * MIB, payload=silent)
    assert (bench.see()["machine"]["balloon"], bench.info["memory_actual_size"]) == (64 * MIB, 128 * MIB)
    with vmm_process.open_client(bench.data, "v1") as client:
        client.resize({"desired_balloon": 16 * MIB})
    assert bench.see()["machine"]["balloon"] == 16 * MIB
    with vmm_process.open_client(bench.data, "v1") as client:
        client.resize({"desired_balloon": 0})
    assert "balloon" not in bench.see()["machine"]


def test_a_balloon_is_there_again_after_every_start(bench: Any) -> None:
    bench.running(balloon=64 * MIB)
    with vmm_process.open_client(bench.data, "v1") as client:
        client.reboot()
    assert bench.see()["machine"]["balloon"] == 64 * MIB
    assert _cycle(bench, vcpus=2)["balloon"]["size"] == 64 * MIB


def test_a_balloon_as_large_as_the_memory_at_boot_takes_a_power_cycle(bench: Any) -> None:
    bench.running(**({} if bench.real else {"memory": 256 * MIB}))
    before = bench.see()["machine"]
    assert planning.judge("memory_options.balloon", None, 128 * MIB, SPEC, before).impact is Impact.REBOOT
    config = _cycle(bench, memory=256 * MIB, boot_memory=256 * MIB, balloon=128 * MIB)
    assert (config["memory"]["size"], config["balloon"]["size"]) == (256 * MIB, 128 * MIB)


def test_huge_pages_take_a_power_cycle(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not bench.real:
        # It takes none from the host.
        monkeypatch.setattr(huge_pages, "require", lambda _size: None)
    else:
        try:
            huge_pages.require(128 * MIB)
        except Permanent as error:
            pytest.skip(f"needs huge pages: {error}")
    bench.running()
    assert _impact(bench, "memory_options.hugepages", False, True) is Impact.REBOOT
    assert bench.info["config"]["memory"]["hugepages"] is False
    _reject(bench, "vm.update", hugepages=True)
    assert _cycle(bench, hugepages=True)["memory"]["hugepages"] is True


def test_a_volume_is_plugged_in_grown_and_unplugged_live(bench: Any) -> None:
    bench.running()
    path = bench.volume("data", 4 * MIB)
    use = {"volume": "data", "readonly": False, "size": 4 * MIB}
    assert _impact(bench, "volumes", [], [use]) is Impact.LIVE
    work = _change(bench, "vm.attach", volumes=[use])
    (disk,) = bench.info["config"]["disks"]
    assert (disk["id"], disk["image_type"], disk["serial"], disk["num_queues"]) == ("volume-data", "Raw", "data", 1)
    assert "volume-data" in bench.info["device_tree"]
    assert path.stat().st_size == 4 * MIB
    _change(bench, "vm.update", volumes=[{**use, "size": 8 * MIB}])
    assert path.stat().st_size == 8 * MIB
    if bench.real:
        with pytest.raises(Permanent, match="did not let go of `volume-data`"):
            bench.driver.undo(work)
        assert [one["volume"] for one in bench.see()["machine"]["volumes"]] == ["data"], "it is there until the guest lets go"
        return
    bench.driver.undo(work)
    assert "volume-data" not in bench.info["device_tree"]
    assert bench.see()["machine"]["volumes"] == []


def test_a_volume_that_is_only_read_from_now_on_is_plugged_in_again_live(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its devices")
    bench.volume("data")
    use = {"volume": "data", "readonly": False, "size": 4 * MIB}
    bench.running(volumes=[use])
    assert _impact(bench, "volumes.0.readonly", False, True) is Impact.LIVE
    _change(bench, "vm.detach", volumes=[])
    _change(bench, "vm.attach", volumes=[{**use, "readonly": True}])
    (disk,) = bench.info["config"]["disks"]
    assert (disk["id"], disk["readonly"]) == ("volume-data", True)


def test_a_machine_whose_slots_are_full_takes_no_more_volumes_live(bench: Any) -> None:
    names = [f"data{number}" for number in range(slots.MOST_PLUGGED + 1)]
    for name in names:
        bench.volume(name)
    uses = [{"volume": name, "readonly": False, "size": 4 * MIB} for name in names]
    bench.running(volumes=uses[:-1])
    before, process, tree = bench.see()["machine"], bench.process, bench.info["device_tree"]
    assert planning.judge("volumes", uses[:-1], uses, {**SPEC, "volumes": uses}, before).impact is Impact.REBOOT
    with pytest.raises(Permanent, match=r"all slots of `vm.web` are in use; a power-cycle sorts them again"):
        bench.driver.perform(bench.work("vm.attach", before, {**before, "volumes": uses}))
    assert (bench.info["device_tree"], bench.process) == (tree, process)


@pytest.fixture
def tap(bench: Any) -> Iterator[str]:
    """Make a tap as the provider of networks does: it stays when nobody holds it, and is up."""
    name = f"hcrow{os.getpid() % 10**6}"
    words = struct.pack("16sH22x", name.encode(), 0x0002 | 0x1000 | 0x4000)
    try:
        made = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(made, 0x400454CA, words)
            fcntl.ioctl(made, 0x400454CB, 1)
        finally:
            os.close(made)
        subprocess.run(["ip", "link", "set", name, "up"], check=True, capture_output=True)
    except OSError as error:
        pytest.skip(f"needs the right to make a tap, and ip ({error.strerror})")
    yield name
    bench.clean()
    subprocess.run(["ip", "link", "delete", name], check=True, capture_output=True)


@pytest.mark.root
def test_a_card_is_plugged_in_and_unplugged_live(bench: Any, tap: str) -> None:
    bench.attachments["nic.0"] = Attachment("02:00:00:00:00:01", "vm.web", ("10.9.0.2",), Tap(tap))
    bench.running()
    for path in ("networks", "mycelium"):
        assert _impact(bench, path, [], [{}]) is Impact.LIVE
    assert "net" not in bench.info["config"] or not bench.info["config"]["net"]
    work = _change(bench, "vm.attach", nics=["nic.0"])
    (net,) = bench.info["config"]["net"]
    assert (net["id"], net["tap"], net["mac"]) == ("nic-0", tap, "02:00:00:00:00:01")
    assert "nic-0" in bench.info["device_tree"]
    if bench.real:
        with pytest.raises(Permanent, match="did not let go of `nic-0`"):
            bench.driver.undo(work)
        assert bench.see()["machine"]["nics"] == ["nic.0"], "it is there until the guest lets go"
        return
    _change(bench, "vm.detach", nics=[])
    assert "nic-0" not in bench.info["device_tree"]
    assert not bench.info["config"].get("net")


def test_what_the_host_does_with_packets_changes_live(bench: Any) -> None:
    bench.running()
    for path in ("networks.0.rate", "networks.0.open", "mycelium.rate"):
        assert _impact(bench, path, None, 1) is Impact.LIVE


def test_a_root_disk_where_there_was_none_takes_a_power_cycle(bench: Any) -> None:
    bench.running()
    bench.root()
    for path in ("root_disk", "image_id.source"):
        assert _impact(bench, path, None, "a") is Impact.REBOOT
    root = {"direct": False, "rate": None}
    _reject(bench, "vm.update", root=root)
    assert [disk["id"] for disk in _cycle(bench, root=root)["disks"]] == ["root"]


def test_a_seed_where_there_was_none_takes_a_power_cycle(bench: Any) -> None:
    bench.running()
    (bench.data / "vms" / "v1" / "seed.iso").write_bytes(bytes(MIB))
    assert _impact(bench, "image_id.nocloud", False, True) is Impact.REBOOT
    _reject(bench, "vm.update", seed="v1-a")
    assert [(disk["id"], disk["readonly"]) for disk in _cycle(bench, seed="v1-a")["disks"]] == [("seed", True)]


def test_what_a_guest_reads_at_boot_takes_a_power_cycle(bench: Any) -> None:
    seed = bench.data / "vms" / "v1" / "seed.iso"
    seed.write_bytes(bytes(MIB))
    bench.running(seed="v1-a")
    for path in ("user_data", "ssh_keys", "env", "secrets", "networks.0.address", "mycelium.address"):
        assert _impact(bench, path, None, 1) is Impact.REBOOT
    before = bench.info["config"]
    _reject(bench, "vm.update", seed="v1-b")
    after = _cycle(bench, seed="v1-b")
    # Another content in the same place: nothing of it is in the configuration, and the guest reads it because it starts.
    assert (after["disks"], bench.boots) == (before["disks"], 1)


def test_another_kernel_takes_a_power_cycle(bench: Any) -> None:
    bench.running()
    assert _impact(bench, "image_id.payload", None, 1) is Impact.REBOOT
    payload = {**bench.machine()["payload"], "cmdline": "console=ttyS0 guest=lively quiet"}
    before = bench.info["config"]["payload"]
    _reject(bench, "vm.update", payload=payload)
    after = _cycle(bench, payload=payload)["payload"]
    assert (before["cmdline"], after["cmdline"]) == ("console=ttyS0 guest=lively", "console=ttyS0 guest=lively quiet")


def test_the_root_disk_grows_live(bench: Any) -> None:
    path = bench.root(8 * MIB)
    bench.running(root={"direct": False, "rate": None})
    process = bench.process
    assert _impact(bench, "root_disk.size", 8 * MIB, 16 * MIB) is Impact.LIVE
    bench.do("vm.grow", {"size": 8 * MIB}, {"size": 16 * MIB}, part="disk")
    assert path.stat().st_size == 16 * MIB
    assert (bench.process, bench.boots) == (process, 1)


@pytest.mark.parametrize(
    ("path", "after", "kept"),
    [
        ("root_disk.rate", {"direct": False, "rate": {"bandwidth": 1000, "burst": None, "iops": 20}}, "rate_limiter_config"),
        ("root_disk.direct", {"direct": True, "rate": None}, "direct"),
    ],
)
def test_how_the_root_disk_is_opened_takes_a_power_cycle(bench: Any, path: str, after: dict[str, Any], kept: str) -> None:
    bench.root()
    bench.running(root={"direct": False, "rate": None})
    assert _impact(bench, path, None, 1) is Impact.REBOOT
    _reject(bench, "vm.update", root=after)
    (disk,) = _cycle(bench, root=after)["disks"]
    assert disk[kept]


def test_a_share_takes_a_power_cycle_and_a_daemon(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if bench.real:
        pytest.skip("needs virtiofsd")
    daemon = tmp_path / "virtiofsd"
    daemon.write_text('#!/bin/sh\nfor word; do case $word in --socket-path=*) : >"${word#*=}" ;; esac; done\nexec tail -f /dev/null\n')
    daemon.chmod(0o755)
    monkeypatch.setattr(virtiofs, "find_program", lambda: str(daemon))
    bench.running()
    share = {"path": str(tmp_path), "tag": "shared"}
    assert _impact(bench, "shares", [], [share]) is Impact.REBOOT
    _reject(bench, "vm.update", shares=[share])
    config = _cycle(bench, shares=[share])
    assert [(fs["tag"], fs["id"]) for fs in config["fs"]] == [("shared", "share-0")]
    assert config["memory"]["shared"] is True
    daemon_of_it = identity.running(bench.data, "v1", "-share-0")
    identity.send(daemon_of_it, signal.SIGKILL)
    machine = bench.machine(shares=[share])
    lost = {powers.LOST_SHARES: f"shared: {powers.SERVER_ENDED}"}
    until(lambda: bench.see()["machine"] == {**machine, **lost}, "another daemon, which knows nothing of the guest")
    assert _impact(bench, powers.LOST_SHARES, lost[powers.LOST_SHARES], None) is Impact.REBOOT
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.configure", {**machine, **lost}, machine)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": machine, "power": "running"}
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_labels_and_restart_change_live(bench: Any) -> None:
    bench.running()
    for path, fields in (("labels", {"labels": {"tier": "data"}}), ("restart", {"restart": "on-failure"})):
        assert _impact(bench, path, None, 1) is Impact.LIVE
        _change(bench, "vm.update", **fields)


def test_a_paused_guest_goes_on(bench: Any) -> None:
    bench.running()
    process = bench.process
    bench.power("vm.pause", "running", "paused")
    assert bench.info["state"] == "Paused"
    bench.power("vm.resume", "paused", "running")
    assert (bench.info["state"], bench.process, bench.boots) == ("Running", process, 1)


def test_a_guest_that_hears_its_button_is_not_cut_off(bench: Any) -> None:
    bench.running()
    bench.power("vm.stop", "running", "stopped")
    assert bench.told[-1].startswith("power button" if not bench.real else "forced power-off")
    assert bench.left_over() == []


def test_a_machine_is_replaced_where_its_content_is(bench: Any) -> None:
    assert planning.judge("image_id.source", "a", "b", {**SPEC, "root_disk": {}}, bench.machine()).impact is Impact.DATA
    assert planning.judge("root_disk.size", 2, 1, SPEC, bench.machine()).impact is Impact.DATA
    assert planning.judge("hypervisor", "qemu", "cloud-hypervisor", SPEC, bench.machine()).impact is Impact.REPLACE
    bench.running()
    first, before = bench.process, bench.machine()
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.delete", before, None)
    assert (bench.see(), bench.left_over()) == ({}, [])
    bench.running(vcpus=2)
    assert bench.process != first
    assert (bench.info["config"]["cpus"]["boot_vcpus"], bench.boots) == (2, 1)


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"memory": 128 * MIB + 1024}, "memory", "4 KiB"),
        ({"cpu": {**SPEC["cpu"], "max": 300}}, "cpu.max", "255"),
        ({"cpu": {**SPEC["cpu"], "topology": {"threads": 4, "cores": 1, "dies": 1, "packages": 1}}}, "cpu.topology", "2 threads"),
        ({"volumes": [{}] * 17}, "volumes", "16 volumes"),
        (
            {"cpu": {**SPEC["cpu"], "affinity": [[*range(64)]] * 200}},
            "cpu.affinity",
            "Cloud Hypervisor takes 51200",
        ),
        (
            {"shares": [{"tag": "x" * 40, "path": "/"}], "memory_options": {**SPEC["memory_options"], "mergeable": True}},
            "memory_options.mergeable",
            "mergeable: false",
        ),
    ],
)
def test_what_would_break_the_next_boot_is_refused(fields: dict[str, Any], path: str, said: str) -> None:
    found = {one.path: one.detail for one in planning.unsupported({**SPEC, **fields})}
    assert said in found[path]
    assert planning.unsupported(SPEC) == []
