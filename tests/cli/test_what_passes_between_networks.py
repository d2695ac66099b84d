"""A range or a published port passes from one network of a stack to another: the old one gives it up first, or the plan says why not."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{img: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}}}
networks: {{{networks}}}
vms: {{db: {{image: img, memory: 1 GiB, networks: [{uses}]{more}}}}}
"""
FORWARD = ", forward: [{host_port: 8080, vm: db, port: 80}]"
PASSED = {
    "the same range": "front: {cidr: 10.42.0.0/24}",
    "a part of it": "front: {cidr: 10.42.0.0/25}",
    "more than it": "front: {cidr: 10.42.0.0/16}",
    "its port": f"front: {{cidr: 10.43.0.0/24{FORWARD}}}",
}


def _lan(more: str = "") -> str:
    return STACK.format(networks=f"lan: {{cidr: 10.42.0.0/24{FORWARD}}}", uses="lan", more=more)


def _networks(herocloud: Any) -> set[str]:
    rows = json.loads(herocloud.done("state", "list", "--json").out)["records"]
    return {row["address"] for row in rows if row["address"].startswith("network.")}


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a network with a VM that runs on it."""
    herocloud.write(_lan())
    herocloud.done("apply", "-y", "-q")
    return herocloud


@pytest.mark.parametrize("network", PASSED.values(), ids=PASSED)
def test_it_passes_to_another_network_and_back(shop, network: str) -> None:
    shop.write(STACK.format(networks=network, uses="front", more=""))
    order = [step["id"] for step in json.loads(shop.done("plan", "--json").out)["steps"]]
    wanted = ["vm.db/vm.detach", "vm.db/tap.delete", "network.lan/network.delete", "network.front/network.create", "vm.db/tap.create"]
    assert [step for step in order if step in wanted] == wanted
    assert "Rehearsed" in shop.done("plan", "--rehearse").out
    shop.done("apply", "-y", "-q")
    assert _networks(shop) == {"network.front"}
    assert "No changes." in shop.done("plan").out
    shop.done("undo", "-y", "-q")
    assert _networks(shop) == {"network.lan"}
    assert json.loads(shop.done("vm", "list", "--json").out)["vms"][0]["state"] == "running"


def test_a_failure_between_leaves_what_the_next_apply_completes(shop, misbehave) -> None:
    misbehave("{step: network.create, fail: broken, times: 1}")
    shop.write(STACK.format(networks=PASSED["the same range"], uses="front", more=""))
    assert shop("apply", "-y", "-q").code == 13
    shop.done("apply", "-y", "-q")
    assert "No changes." in shop.done("plan").out


def test_what_looks_like_a_rename_is_pointed_out_with_its_cost(shop) -> None:
    shop.write(STACK.format(networks=PASSED["the same range"], uses="front", more=""))
    ran = shop.done("plan")
    assert "This looks like a rename (network.front)" in ran.err
    assert "unplugged" in ran.err
    assert "moved: [{from: network.lan, to: network.front}]" in ran.err


def test_another_range_does_not_look_like_a_rename(shop) -> None:
    shop.write(STACK.format(networks="front: {cidr: 10.99.0.0/24}", uses="front", more=""))
    assert "rename" not in shop.done("plan").err


def test_two_networks_exchange_their_ranges_in_no_order(shop) -> None:
    two = "lan: {{cidr: 10.{}.0.0/24}}, front: {{cidr: 10.{}.0.0/24}}"
    shop.write(STACK.format(networks=two.format(42, 43), uses="lan", more=""))
    shop.done("apply", "-y", "-q")
    shop.write(STACK.format(networks=two.format(43, 42), uses="lan", more=""))
    ran = shop("plan")
    assert ran.code == 1, ran.both
    assert "two applies" in ran.err


def test_a_network_moves_into_a_range_that_another_leaves(shop) -> None:
    two = "lan: {{cidr: 10.{}.0.0/24}}, front: {{cidr: 10.{}.0.0/24}}"
    shop.write(STACK.format(networks=two.format(42, 43), uses="lan", more=""))
    shop.done("apply", "-y", "-q")
    shop.write(STACK.format(networks=two.format(44, 42), uses="lan", more=""))
    assert "Rehearsed" in shop.done("plan", "--rehearse").out
    shop.done("apply", "-y", "-q")
    shop.done("undo", "-y", "-q")
    assert "No changes." not in shop.done("plan").out


@pytest.mark.parametrize("network", PASSED.values(), ids=PASSED)
def test_what_the_plan_leaves_with_the_old_one_is_not_given_away(shop, network: str) -> None:
    shop.write(STACK.format(networks=network, uses="front", more=""))
    ran = shop("plan", "--target", "network.front")
    assert ran.code == 1, ran.both
    assert "`network.lan` of this stack, which the plan leaves alone" in ran.err


@pytest.mark.parametrize("words", [("plan",), ("plan", "--rehearse"), ("apply", "-y")], ids=" ".join)
def test_a_vm_that_is_stopped_cannot_change_over_and_the_plan_says_so(herocloud, words) -> None:
    herocloud.write(_lan(", state: stopped"))
    herocloud.done("apply", "-y", "-q")
    herocloud.write(STACK.format(networks=PASSED["the same range"], uses="front", more=", state: stopped"))
    ran = herocloud(*words)
    assert ran.code == 1, ran.both
    assert "`network.front` wants 10.42.0.0/24, which `network.lan` has" in ran.err
    assert "moved: [{from: network.lan, to: network.front}]" in ran.err
    assert _networks(herocloud) == {"network.lan"}
