"""A volume or network whose rename did not reach its VM is the same thing under both names: no way on or back unplugs or empties it."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}}}
networks: {{{network}: {{cidr: 10.41.0.0/24}}}}
volumes: {{{volume}: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [{network}], volumes: [{volume}]}}
  log: {{image: debian, memory: 1 GiB, networks: [{network}]}}
"""
OLD = STACK.format(network="lan", volume="data")
BOTH = STACK.format(network="net", volume="log")
MOVED = "moved: [{from: volume.data, to: volume.log}, {from: network.lan, to: network.net}]\n"


def _plan(herocloud: Any) -> tuple[dict[str, str], list[str]]:
    planned = json.loads(herocloud.done("plan", "--json").out)
    actions = {one["address"]: one["action"] for one in planned["resource_changes"] if one["action"] != "no-op"}
    return actions, [step["kind"] for step in planned["steps"]]


def _bodies(herocloud: Any) -> dict[str, Any]:
    document = json.loads(herocloud.done("show", "--json").out)
    return {one["address"]: one["parts"] for one in document["stacks"]["shop"]["resources"]}


def _rests(herocloud: Any) -> None:
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a stack with a VM on a volume and two on a network."""
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    herocloud.write(OLD)
    herocloud.done("apply", "-y", "-q")
    return herocloud


@pytest.fixture
def half_renamed(shop: Any) -> Any:
    """Rename both in an apply of which every step of VMs fails."""
    shop.write(BOTH + MOVED)
    (shop.data_folder / "scenario.yaml").write_text("rules:\n  - {address: 'vm.*', fail: broken, at: before}\n", encoding="utf-8")
    ran = shop("apply", "-y", "--on-failure", "continue")
    assert ran.code in (1, 13), ran.both
    (shop.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    assert {"volume.log", "network.net"} <= _bodies(shop).keys()
    return shop


def test_the_way_back_is_a_rename_back(half_renamed) -> None:
    before = _bodies(half_renamed)
    half_renamed.write(OLD)
    actions, kinds = _plan(half_renamed)
    assert (actions["volume.data"], actions["network.lan"]) == ("move", "move")
    assert not {"create", "delete", "replace"} & set(actions.values())
    assert set(kinds) <= {"volume.move", "network.move", "record.write"}
    half_renamed.done("apply", "-y", "-q")
    after = _bodies(half_renamed)
    assert after["volume.data"] == before["volume.log"]
    assert after["network.lan"] == before["network.net"]
    assert after["vm.db"] == before["vm.db"]
    _rests(half_renamed)


def test_undoing_the_way_back_is_no_more_than_that(half_renamed) -> None:
    half_renamed.write(OLD)
    half_renamed.done("apply", "-y", "-q")
    before = _bodies(half_renamed)
    half_renamed.done("undo", "-y")
    after = _bodies(half_renamed)
    assert after["volume.log"] == before["volume.data"]
    assert after["network.net"] == before["network.lan"]
    assert after["vm.db"]["machine"] == before["vm.db"]["machine"]
    half_renamed.done("apply", "-y", "-q")
    _rests(half_renamed)


@pytest.mark.parametrize("moved", [MOVED, ""], ids=["with the entry", "without it"])
def test_the_way_on_unplugs_nothing_and_says_so(half_renamed, moved) -> None:
    half_renamed.write(BOTH + moved)
    shown = half_renamed.done("plan").out
    assert "volumes data → log, renamed, and stays plugged in" in shown
    assert "networks lan → net, renamed, and its cards stay plugged in" in shown
    assert "added" not in shown
    assert "removed" not in shown
    assert set(_plan(half_renamed)[1]) <= {"vm.update", "tap.update", "record.write"}
    half_renamed.done("apply", "-y", "-q")
    _rests(half_renamed)


def test_the_advice_after_a_failure_keeps_the_bridge(shop) -> None:
    """A volume grew in the same apply, so the undo is refused; what it advises instead goes back by name."""
    before = _bodies(shop)["network.lan"]
    shop.write(BOTH.replace("size: 1 GiB", "size: 2 GiB") + MOVED)
    (shop.data_folder / "scenario.yaml").write_text("rules:\n  - {address: 'vm.*', fail: broken, at: before}\n", encoding="utf-8")
    assert "would be refused" in shop("apply", "-y", "--on-failure", "continue").both
    (shop.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    shop.write(OLD.replace("size: 1 GiB", "size: 2 GiB"))
    shop.done("apply", "-y", "-q")
    assert _bodies(shop)["network.lan"] == before
    _rests(shop)
