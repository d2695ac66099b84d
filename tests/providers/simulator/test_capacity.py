"""The simulated hardware is as small as its host says, whatever a plan believes."""

from collections.abc import Callable
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.model.hosts import Host, Ratios
from herocloud.providers.simulator import driving

GIB = 1024**3


def _host(**more: Any) -> Host:
    return Host(**{"name": "small", "memory": 8 * GIB, "disk": 45 * GIB, "disk_free": 45 * GIB, "cpus": 4, "slices": (), **more})


@pytest.fixture
def small(make_bench: Callable[..., Any]) -> Any:
    return make_bench(host=_host())


def test_machines_share_the_memory_of_the_host(small: Any) -> None:
    small.vm("vm.a")
    small.vm("vm.b", boot=False)
    before = small.snapshot()
    with pytest.raises(Permanent, match="Cannot allocate memory"):
        small.change("vm.resize", "vm.a", "machine", memory=5 * GIB)
    assert small.snapshot() == before
    assert before.totals["memory"] == 8 * GIB


def test_a_machine_gives_its_memory_back_when_it_is_deleted(small: Any) -> None:
    machine = small.vm("vm.a", boot=False)["machine"]
    assert small.snapshot().totals["memory"] == 4 * GIB
    small.perform("vm.delete", "vm.a", "machine", machine, None)
    assert small.snapshot().totals["memory"] == 0


def test_memory_may_be_promised_beyond_what_is_there(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(host=_host(ratios=Ratios(memory=1.5)))
    for name in ("vm.a", "vm.b", "vm.c"):
        bench.vm(name)
    with pytest.raises(Permanent, match="Cannot allocate memory"):
        bench.vm("vm.d")


def test_disks_and_volumes_share_the_disk_of_the_host(small: Any, shapes: Any) -> None:
    small.volume("data", 30 * GIB)
    small.vm("vm.a")
    with pytest.raises(Permanent, match="No space left on device"):
        small.perform("disk.create", "vm.b", "disk", None, shapes.vm_parts(9)["disk"])
    assert small.thing("vm.b") is None
    with pytest.raises(Permanent, match="No space left on device"):
        small.change("vm.grow", "vm.a", "disk", size=16 * GIB)
    small.change("vm.grow", "vm.a", "disk", size=15 * GIB)
    assert small.snapshot().totals["disk"] == 45 * GIB


def test_deleted_data_keeps_its_room_until_its_tombstone_is_dropped(small: Any, shapes: Any) -> None:
    small.volume("data", 30 * GIB)
    small.perform("volume.delete", "volume.data", "volume", shapes.volume(size=30 * GIB), None)
    assert small.look().tombstones == 30 * GIB
    with pytest.raises(Permanent, match="No space left on device"):
        small.volume("other", 20 * GIB)
    [tombstone] = small.driver.tombstones()
    assert small.driver.drop_tombstone(tombstone.key)
    small.volume("other", 20 * GIB)
    assert (small.look().tombstones, small.snapshot().totals["disk"]) == (0, 20 * GIB)


def test_the_operator_may_keep_disk_back() -> None:
    limits = driving.limits_of(_host(limit_disk=10 * GIB))
    assert (limits.memory, limits.disk) == (8 * GIB, 10 * GIB)
    assert (driving.limits_of(None).memory, driving.limits_of(None).disk) == (None, None)
