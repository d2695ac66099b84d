"""A rename changes the mark and nothing else."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.seam import Found
from herocloud.providers.simulator import world

MOVE = ("vm.move", "vm.web", "mark", {"address": "vm.www"}, {"address": "vm.web"})


def test_a_vm_keeps_running_under_its_new_name(bench: Any) -> None:
    parts = bench.vm("vm.www")
    data = world.contents(bench.folder, "vm.www")
    assert bench.probe(*MOVE).found is Found.NOT_STARTED
    bench.perform(*MOVE)
    assert bench.probe(*MOVE).found is Found.DONE
    assert bench.thing("vm.www") is None
    assert bench.thing("vm.web").parts == {**parts, "power": "running"}
    assert world.contents(bench.folder, "vm.web") == data
    with pytest.raises(Conflict, match=r"disk of shop/vm.web is in use by `vm.web`"):
        bench.perform("disk.delete", "vm.web", "disk", parts["disk"], None)


def test_a_rename_done_twice_and_undone_twice_ends_where_it_began(bench: Any) -> None:
    bench.vm("vm.www")
    before = bench.snapshot()
    bench.perform(*MOVE)
    after = bench.snapshot()
    bench.perform(*MOVE)
    assert bench.snapshot() == after
    bench.undo(*MOVE)
    bench.undo(*MOVE)
    assert bench.snapshot() == before


def test_a_volume_keeps_its_user(bench: Any, shapes: Any) -> None:
    """What is plugged in is known by the name that its file was made under, whatever it is called now."""
    bench.volume("old")
    bench.vm(volumes=[{"volume": "old", "readonly": False}])
    bench.perform("volume.move", "volume.new", "mark", {"address": "volume.old"}, {"address": "volume.new"})
    with pytest.raises(Conflict, match=r"volume shop/old is in use by `vm.web`"):
        bench.perform("volume.delete", "volume.new", "volume", shapes.volume("old"), None)
    bench.change("vm.detach", "vm.web", "machine", volumes=[])
    again = [{"volume": "new", "plugged": "old", "readonly": False}]
    bench.change("vm.attach", "vm.web", "machine", volumes=again)
    assert bench.part("vm.web", "machine")["volumes"] == again


def test_a_name_that_is_taken_is_refused(bench: Any) -> None:
    bench.vm("vm.www")
    bench.vm("vm.web")
    assert bench.probe(*MOVE)[:2] == (Found.CONTRADICTED, "both `vm.www` and `vm.web` exist")
    with pytest.raises(Conflict, match=r"`vm.web` is there already"):
        bench.perform(*MOVE)


def test_nothing_cannot_be_renamed(bench: Any) -> None:
    assert bench.probe(*MOVE).found is Found.CONTRADICTED
    with pytest.raises(Permanent, match=r"neither `vm.www` nor `vm.web` exists"):
        bench.perform(*MOVE)
