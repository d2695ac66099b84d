"""Every row of the planning table is done to a running VM: what changes, and what does not (same process, same start of the guest)."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.model.words import Impact
from herocloud.providers.cloud_hypervisor import planning
from herocloud.providers.seam import Found
from herocloud.providers.vmm import virtiofs

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


@pytest.mark.parametrize("wanted", [64 * MIB, 512 * MIB, 129 * MIB])
def test_memory_outside_of_its_room_takes_a_power_cycle(bench: Any, wanted: int) -> None:
    bench.running()
    assert _impact(bench, "memory", 128 * MIB, wanted) is Impact.REBOOT


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


def test_the_root_disk_grows_live(bench: Any) -> None:
    path = bench.root(8 * MIB)
    bench.running(root={"direct": False, "rate": None})
    process = bench.process
    bench.do("vm.grow", {"size": 8 * MIB}, {"size": 16 * MIB}, part="disk")
    assert path.stat().st_size == 16 * MIB
    assert bench.process == process


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
    assert (bench.info["state"], bench.process) == ("Running", process)


def test_a_guest_that_hears_its_button_is_not_cut_off(bench: Any) -> None:
    bench.running()
    bench.power("vm.stop", "running", "stopped")
    assert bench.told[-1].startswith("power button" if not bench.real else "forced power-off")
    assert bench.left_over() == []


def test_a_machine_is_replaced_where_its_content_is(bench: Any) -> None:
    assert planning.judge("image_id.source", "a", "b", {**SPEC, "root_disk": {}}, bench.machine()).impact is Impact.DATA
    assert planning.judge("root_disk.size", 2, 1, SPEC, bench.machine()).impact is Impact.DATA
    assert planning.judge("hypervisor", "qemu", "cloud-hypervisor", SPEC, bench.machine()).impact is Impact.REPLACE


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"memory": 129 * MIB}, "memory", "2 MiB"),
        ({"cpu": {**SPEC["cpu"], "max": 300}}, "cpu.max", "255"),
        ({"cpu": {**SPEC["cpu"], "topology": {"threads": 4, "cores": 1, "dies": 1, "packages": 1}}}, "cpu.topology", "2 threads"),
        ({"volumes": [{}] * 17}, "volumes", "16 volumes"),
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
