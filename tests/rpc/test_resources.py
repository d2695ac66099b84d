"""What `resources` says of the host: what a plan would count at that moment."""

from typing import Any

import pytest

ASKS = "stack: asks\nvms:\n  one: {image: tiny, memory: 1 GiB}\n"
NAMES = {"cpu": "vcpus", "memory": "memory", "disk": "disk", "slices": "slices"}


def of_a_plan(daemon: Any) -> dict[str, tuple[int, int]]:
    """Return what a plan counts as held before it, and its limits, by the names of `resources`."""
    capacity = daemon.call("plan_stack", yaml=ASKS)["plan"]["capacity"]
    return {name: (capacity[resource]["before"], capacity[resource]["limit"]) for name, resource in NAMES.items()}


def of_resources(daemon: Any) -> dict[str, tuple[int, int]]:
    answer = daemon.call("resources")
    levels = {name: answer[name] for name in NAMES}
    assert {name: level["available"] for name, level in levels.items()} == {
        name: level["effective_limit"] - level["allocated"] for name, level in levels.items()
    }
    return {name: (level["allocated"], level["effective_limit"]) for name, level in levels.items()}


@pytest.fixture
def sid(daemon: Any) -> str:
    return str(daemon.call("deploy_vm", name="web", slice_sid="s2", image="tiny", cpu_count=3, wait=30)["sid"])


def test_snapshots_count_as_a_plan_counts_them(daemon: Any, sid: str) -> None:
    before = of_resources(daemon)["disk"][0]
    daemon.call("create_snapshot", sid=sid, name="plain", wait=30)
    daemon.call("create_snapshot", sid=sid, name="whole", memory=True, wait=30)
    assert of_resources(daemon) == of_a_plan(daemon)
    assert of_resources(daemon)["disk"][0] > before + 20 * 2**30


def test_deleted_data_counts_until_it_is_destroyed(daemon: Any, sid: str) -> None:
    daemon.call("delete_vm", sid=sid, wait=30)
    assert of_resources(daemon) == of_a_plan(daemon)
    assert of_resources(daemon)["disk"][0] >= 10 * 2**30
    assert of_resources(daemon)["slices"][0] == 0


def test_a_stopped_vm_counts_like_a_running_one(daemon: Any, sid: str) -> None:
    running = of_resources(daemon)
    daemon.call("stop_vm", sid=sid, wait=30)
    assert of_resources(daemon) == of_a_plan(daemon) == running


def test_a_vm_without_a_record_counts(daemon: Any, sid: str) -> None:
    from tests.rpc.test_deploying import forget

    assert sid
    before = of_resources(daemon)
    forget(daemon, "vm.web")
    daemon.service.desk.sight.look_now()
    assert of_resources(daemon)["disk"] == of_a_plan(daemon)["disk"] == before["disk"]
    assert of_resources(daemon)["slices"] == of_a_plan(daemon)["slices"]
