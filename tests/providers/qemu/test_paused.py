"""A guest that is paused is asked for nothing, and what needs no guest changes meanwhile."""

from typing import Any

import pytest

from herocloud.model import guest_agreement
from herocloud.model.errors import Permanent
from herocloud.providers.seam import Found

_ASKED = ("memory", "volumes")


@pytest.fixture
def paused(bench: Any, machine: Any, mib: int) -> Any:
    bench.volume("data", 4 * mib)
    bench.do("vm.create", None, machine(max_vcpus=4, hotplug=256 * mib, volumes=[_use(mib)]))
    bench.power("vm.boot", "stopped", "running")
    bench.power("vm.pause", "running", "paused")
    return bench


def _use(mib: int) -> dict[str, Any]:
    return {"volume": "data", "readonly": False, "size": 4 * mib}


@pytest.mark.parametrize("path", _ASKED)
def test_a_guest_that_is_paused_is_not_asked(paused: Any, mib: int, path: str) -> None:
    before = paused.see()["machine"]
    after = {**before, path: {"memory": before["memory"] + 128 * mib, "volumes": []}[path]}
    assert guest_agreement.is_asked(path, before[path], after[path])
    work = paused.work("vm.resize", before, after)
    with pytest.raises(Permanent, match=r"`vm.web` is paused, so its guest cannot .*`herocloud vm resume vm.web` lets it go on"):
        paused.driver.perform(work)
    assert paused.see() == {"machine": before, "power": "paused"}
    assert paused.driver.probe(work).found is Found.NOT_STARTED


def test_a_paused_machine_takes_what_needs_no_guest(paused: Any, mib: int) -> None:
    paused.volume("more", 4 * mib)
    before, process = paused.see()["machine"], paused.process
    after = {**before, "vcpus": 2, "volumes": [*before["volumes"], {**_use(mib), "volume": "more"}], "labels": {"tier": "front"}}
    paused.do("vm.resize", before, after)
    assert paused.see() == {"machine": after, "power": "paused"}
    with pytest.raises(Permanent, match=r"cannot be unplugged safely|let go of a processor"):
        paused.driver.perform(paused.work("vm.resize", after, {**after, "vcpus": 1}))
    paused.power("vm.resume", "paused", "running")
    assert (paused.see(), paused.process) == ({"machine": after, "power": "running"}, process)
