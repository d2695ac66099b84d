"""An image that several VMs share, made by a deploy that fails: it stays for the others, and goes where nobody has it."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.conftest import Refusal

SECONDS = 60.0


@pytest.fixture
def failing(folder: Path, start: Any) -> Any:
    """A daemon on which `one` fails at its start, some seconds after its image was made."""
    (folder / "scenario.yaml").write_text('rules:\n  - {address: vm.one, step: "*boot*", delay: 4 s, fail: broken}\n', encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    return start()


def images(daemon: Any) -> list[str]:
    return [address for address in daemon.call("get_stack", stack="imperative")["addresses"] if address.startswith("image.")]


def test_it_stays_for_a_vm_that_was_deployed_meanwhile(failing: Any) -> None:
    ended: list[int] = []

    def deploy() -> None:
        try:
            failing.call("deploy_vm", name="one", slice_sid="s1", image="tiny", wait=SECONDS)
        except Refusal as refusal:
            ended.append(refusal.code)

    one = threading.Thread(target=deploy)
    one.start()
    while not any(event["type"] == "step_done" for event in failing.call("events", limit=100)["events"]):
        continue
    second = failing.call("deploy_vm", name="two", slice_sid="s2", image="tiny", wait=SECONDS)
    assert one.is_alive(), "the first one is still at work"
    one.join(SECONDS)
    assert ended == [-32008]
    assert [vm["name"] for vm in failing.call("list_vms")] == ["two"]
    assert images(failing) == ["image.tiny"]
    assert failing.call("drift") == {"resource_drift": [], "unfinished": []}
    failing.call("restart_vm", sid=second["sid"], wait=SECONDS)
    third = failing.call("deploy_vm", name="three", slice_sid="s3", image="tiny", wait=SECONDS)
    assert third["steps"]["total"] < second["steps"]["total"] + 1


def test_it_goes_where_nobody_has_it(failing: Any) -> None:
    assert failing.refused("deploy_vm", name="one", slice_sid="s1", image="tiny", wait=SECONDS).code == -32008
    assert failing.call("list_stacks") == [] or images(failing) == []
