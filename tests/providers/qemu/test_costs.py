"""What QEMU changes live, what needs a power-cycle, and what it cannot do."""

import pytest

from herocloud.model.words import Impact
from herocloud.providers.qemu import planning

SPEC = {"volumes": [{"volume": "data"}], "networks": [{"network": "lan"}], "mycelium": None, "root_disk": {"size": 1}}
RATE = {"bandwidth": 1, "burst": None, "iops": None}


@pytest.mark.parametrize(
    ("path", "before", "after", "impact"),
    [
        ("vcpus", 1, 4, Impact.LIVE),
        ("vcpus", 4, 1, Impact.LIVE),
        ("vcpus", 1, 5, Impact.REBOOT),
        ("memory", 256, 1024, Impact.LIVE),
        ("memory", 1024, 256, Impact.LIVE),
        ("memory", 256, 1026, Impact.REBOOT),
        ("memory", 256, 254, Impact.REBOOT),
        ("memory", 256, 257, Impact.REBOOT),
        ("cpu.affinity", None, [[0]], Impact.LIVE),
        ("cpu.max", 4, 8, Impact.REBOOT),
        ("cpu.topology", None, {}, Impact.REBOOT),
        ("memory_options.hugepages", False, True, Impact.REBOOT),
        ("memory_options.balloon", None, 255 * 1024**2, Impact.LIVE),
        ("memory_options.balloon", 64 * 1024**2, None, Impact.LIVE),
        ("memory_options.balloon", None, 256 * 1024**2, Impact.REBOOT),
        ("root_disk.rate.iops", 1, 2, Impact.LIVE),
        ("root_disk.direct", False, True, Impact.REBOOT),
        ("root_disk.direct", {"direct": False, "rate": None}, {"direct": False, "rate": RATE}, Impact.LIVE),
        ("root_disk.direct", {"direct": False, "rate": None}, {"direct": True, "rate": None}, Impact.REBOOT),
        ("root_disk.size", 10, 20, Impact.LIVE),
        ("root_disk.size", 20, 10, Impact.DATA),
        ("volumes.data", None, {}, Impact.LIVE),
        ("volumes.data.size", 1, 2, Impact.LIVE),
        ("networks.lan", None, {}, Impact.LIVE),
        ("networks.lan.address", "10.0.0.1", "10.0.0.2", Impact.REBOOT),
        ("networks.address", None, {}, Impact.LIVE),
        ("networks.address.address", "10.0.0.1", "10.0.0.2", Impact.REBOOT),
        ("networks.lan.rate.download", 1, 2, Impact.LIVE),
        ("shares.web", None, {}, Impact.REBOOT),
        ("user_data", None, {}, Impact.REBOOT),
        ("secrets.key", None, {}, Impact.REBOOT),
        ("labels.tier", "a", "b", Impact.LIVE),
        ("restart", "no", "always", Impact.LIVE),
        ("state", "running", "stopped", Impact.LIVE),
        ("image_id.payload.kernel", "a", "b", Impact.REBOOT),
        ("image_id.source", "a", "b", Impact.DATA),
        ("image_id.source", None, "b", Impact.REBOOT),
        ("hypervisor", "simulator", "qemu", Impact.REPLACE),
    ],
)
def test_what_a_field_costs(machine, mib, path: str, before, after, impact: Impact) -> None:
    if path == "memory":
        before, after = before * mib, after * mib
    verdict = planning.judge(path, before, after, SPEC, machine())
    assert verdict.impact is impact
    assert bool(verdict.why) is (impact is not Impact.LIVE)


def test_an_emulated_processor_goes_with_a_power_cycle_only(machine) -> None:
    assert planning.judge("vcpus", 4, 2, SPEC, machine(), accelerated=False).impact is Impact.REBOOT
    assert planning.judge("vcpus", 2, 4, SPEC, machine(), accelerated=False).impact is Impact.LIVE
    assert planning.judge("vcpus", 4, 2, SPEC, None, accelerated=False).impact is Impact.LIVE
    assert planning.judge("labels", 4, 2, SPEC, machine(), accelerated=False).impact is Impact.LIVE


@pytest.mark.parametrize("path", ["vcpus", "memory", "volumes.data", "networks.lan"])
def test_a_machine_that_is_not_there_is_made_as_asked(path: str) -> None:
    assert planning.judge(path, 1, 10**12, SPEC, None).impact is Impact.LIVE


def test_a_microvm_takes_nothing_while_it_runs(machine) -> None:
    small = machine(max_vcpus=1, hotplug=0, payload={"kernel": "k"})
    verdict = planning.judge("networks.lan", None, {}, SPEC, small)
    assert verdict.impact is Impact.REBOOT
    assert "takes no devices" in verdict.why
    assert planning.judge("volumes.size", None, {}, SPEC, small).impact is Impact.REBOOT, "a volume may be called like a field"
    # Without KVM the same machine is a q35, which does.
    assert planning.judge("networks.lan", None, {}, SPEC, small, accelerated=False).impact is Impact.LIVE


def test_slots_run_out(machine) -> None:
    spec = {**SPEC, "volumes": [{"volume": f"v{number}"} for number in range(planning.PORTS)]}
    assert planning.judge("volumes.v0", None, {}, spec, machine()).impact is Impact.REBOOT
    spec["volumes"].pop()
    assert planning.judge("volumes.v0", None, {}, spec, machine()).impact is Impact.LIVE


def test_slots_of_an_emulated_machine_do_not_run_out(machine) -> None:
    spec = {**SPEC, "volumes": [{"volume": f"v{number}"} for number in range(planning.MOST_PORTS - len(SPEC["networks"]))]}
    assert planning.judge("volumes.v0", None, {}, spec, machine(), accelerated=False).impact is Impact.LIVE


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({}, []),
        ({"cpu": {"max": 256}}, ["cpu.max"]),
        ({"memory_options": {"hotplug": 1, "hugepages": False}}, ["memory_options.hotplug"]),
        ({"memory_options": {"hotplug": 0, "hugepages": True}, "memory": 3}, ["memory"]),
        ({"memory_options": {"hotplug": 0, "hugepages": False, "thp": False}}, ["memory_options.thp"]),
        ({"volumes": [{"volume": str(number)} for number in range(20)]}, ["volumes"]),
    ],
)
def test_what_cannot_be_honored_is_named(change, paths: list[str]) -> None:
    spec = {**SPEC, "cpu": {"max": 4}, "memory": 2**30, "memory_options": {"hotplug": None, "hugepages": False}, **change}
    found = planning.unsupported(spec)
    assert [one.path for one in found] == paths
    assert all(one.detail for one in found)
