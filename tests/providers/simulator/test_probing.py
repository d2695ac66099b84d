"""A probe looks at the world, and names what it finds where that is neither before nor after."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.seam import Found
from herocloud.providers.simulator import world


def test_a_creation_is_not_started_then_done(bench: Any, shapes: Any) -> None:
    step = ("volume.create", "volume.data", "volume", None, shapes.volume())
    assert bench.probe(*step).found is Found.NOT_STARTED
    bench.perform(*step)
    assert bench.probe(*step).found is Found.DONE


def test_probing_a_world_that_nothing_was_done_to_changes_nothing(bench: Any, shapes: Any) -> None:
    before = bench.snapshot()
    bench.probe("volume.create", "volume.data", "volume", None, shapes.volume())
    assert bench.snapshot() == before


def test_a_change_of_something_that_is_gone_is_contradicted(bench: Any) -> None:
    parts = bench.vm()
    world.remove_part(bench.folder, "vm.web", "machine")
    probe = bench.probe("vm.resize", "vm.web", "machine", parts["machine"], {**parts["machine"], "vcpus": 2})
    assert probe.found is Found.CONTRADICTED
    assert "the machine of `vm.web` is gone; found there: disk, nic.0, seed" in probe.detail


def test_a_third_value_is_contradicted_and_named(bench: Any) -> None:
    parts = bench.vm()
    world.change_part(bench.folder, "vm.web", "machine", {"vcpus": 3})
    after = {**parts["machine"], "vcpus": 2}
    probe = bench.probe("vm.resize", "vm.web", "machine", parts["machine"], after)
    assert probe.found is Found.CONTRADICTED
    assert '"vcpus":3' in probe.detail
    with pytest.raises(Conflict, match="neither as before nor as after"):
        bench.perform("vm.resize", "vm.web", "machine", parts["machine"], after)


def test_something_else_in_the_place_of_a_creation_is_contradicted(bench: Any, shapes: Any) -> None:
    bench.volume("data", 30 * shapes.GIB)
    step = ("volume.create", "volume.data", "volume", None, shapes.volume())
    assert bench.probe(*step).found is Found.CONTRADICTED
    with pytest.raises(Conflict, match=r"File exists: `volume.data` has a different volume already"):
        bench.perform(*step)


def test_the_same_thing_with_the_mark_of_another_state_is_not_ours(bench: Any, shapes: Any) -> None:
    world.add_orphan(bench.folder, "volume.data", {"volume": shapes.volume()}, stack="shop")
    step = ("volume.create", "volume.data", "volume", None, shapes.volume())
    probe = bench.probe(*step)
    assert (probe.found, "another state, somebody-else" in probe.detail) == (Found.CONTRADICTED, True)
    with pytest.raises(Conflict, match="another state"):
        bench.perform(*step)
    with pytest.raises(Conflict, match="another state"):
        bench.undo(*step)


def test_a_deletion_takes_what_is_there_however_it_drifted(bench: Any) -> None:
    parts = bench.vm(boot=False)
    world.change_part(bench.folder, "vm.web", "machine", {"vcpus": 3})
    bench.perform("vm.delete", "vm.web", "machine", parts["machine"], None)
    assert bench.part("vm.web", "machine") is None


def test_power_of_a_machine_that_is_gone_is_contradicted(bench: Any) -> None:
    bench.vm()
    world.remove_thing(bench.folder, "vm.web")
    probe = bench.probe("vm.stop", "vm.web", "power", "running", "stopped")
    assert (probe.found, probe.detail) == (Found.CONTRADICTED, "the power of `vm.web` is gone; found there: nothing")


def test_a_failure_on_the_way_leaves_a_half_that_probe_names_and_perform_completes(make_bench: Any, tmp_path: Any) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{step: disk.create, at: half, fail: pulled the plug, times: 1}]")
    bench = make_bench(scenario=scenario)
    with pytest.raises(Permanent, match="pulled the plug"):
        bench.vm()
    disk = ("disk.create", "vm.web", "disk", None, {**_disk(bench)})
    probe = bench.probe(*disk)
    assert (probe.found, probe.detail) == (Found.PARTIAL, "`vm.web` is half-way: disk is copying (`disk.create`)")
    assert bench.thing("vm.web").parts == {}
    bench.perform(*disk)
    assert bench.part("vm.web", "disk") == disk[4]
    bench.undo(*disk)
    assert bench.thing("vm.web") is None


def _disk(bench: Any) -> Any:
    [[_lineage, _provider, _parts, halves, _contents]] = [thing for key, thing in bench.snapshot().things.items() if key == "shop/vm.web"]
    return halves["disk"]["body"]


def test_nobody_can_rely_on_what_is_half_made(make_bench: Any, tmp_path: Any) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{step: image.fetch, at: half, fail: connection reset}]")
    bench = make_bench(scenario=scenario)
    with pytest.raises(Permanent, match="connection reset"):
        bench.image()
    with pytest.raises(Permanent, match="image shop/debian does not exist"):
        bench.perform("disk.create", "vm.web", "disk", None, {"size": 2**30, "path": "vms/v1/root.raw", "image": "debian", "source": None})
