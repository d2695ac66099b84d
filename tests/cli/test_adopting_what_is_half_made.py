"""An orphan that is only half made is created by whoever approves that, and adopting it is refused with the way out."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

STACK = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.41.0.0/24}}
volumes: {data: {size: 1 GiB}}
vms: {db: {image: debian, memory: 1 GiB, networks: [lan], volumes: [data]}}
"""
HALVES = {
    "vm.create": "vm.db",
    "disk.create": "vm.db",
    "volume.create": "volume.data",
    "network.create": "network.lan",
    "image.fetch": "image.debian",
}


@pytest.fixture(params=sorted(HALVES))
def orphan(herocloud: Any, request: pytest.FixtureRequest, misbehave: Callable[[str], None]) -> str:
    """Break something half-way, and forget its record; returns its address."""
    kind = str(request.param)
    herocloud.write(STACK)
    misbehave(f'{{address: "{HALVES[kind]}", step: {kind}, at: half, times: 1, fail: "the disk is full"}}')
    assert herocloud("apply", "-y").code in (1, 13)
    herocloud.done("state", "rm", HALVES[kind])
    return HALVES[kind]


def _world(herocloud: Any) -> list[tuple[str, str, str]]:
    """Return what is in the simulated world."""
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    try:
        return world.execute("SELECT address, parts, halves FROM things ORDER BY address").fetchall()
    finally:
        world.close()


def test_making_it_whole_needs_the_approval_of_a_creation(herocloud: Any, orphan: str) -> None:
    before = _world(herocloud)
    plan = json.loads(herocloud.done("plan", "--json").out)
    (change,) = [one for one in plan["resource_changes"] if one["address"] == orphan]
    assert change["change"]["actions"] == ["create"]
    ran = herocloud("apply", "--approve", "update")
    assert ran.code == 12, ran.both
    assert f"`{orphan}`" in ran.err
    assert _world(herocloud) == before
    herocloud.done("apply", "--approve", "create,update")
    assert [halves for _, _, halves in _world(herocloud)] == ["{}"] * 4
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


def test_adopting_it_is_refused_with_the_ways_out(herocloud: Any, orphan: str) -> None:
    before, log = _world(herocloud), herocloud.done("state", "log", "--json").out
    ran = herocloud("state", "adopt", orphan, "-y")
    assert ran.code == 1, ran.both
    assert "The orphan is not whole" in ran.err
    assert "`herocloud apply` with a file" in ran.err
    assert "`herocloud state gc`" in ran.err
    assert (_world(herocloud), herocloud.done("state", "log", "--json").out) == (before, log)
    herocloud.done("state", "gc", "-y")
    assert orphan not in [address for address, _, halves in _world(herocloud) if halves != "{}"]


def test_the_plan_says_what_a_half_made_vm_keeps(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(STACK)
    misbehave('{address: vm.db, step: vm.create, at: half, times: 1, fail: "the disk is full"}')
    herocloud("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    shown = herocloud.done("plan").out
    assert "+ vm.db   create" in shown
    assert "takes over what is there of it: disk, nic.0, seed" in shown
    assert "disk 11 GiB of" in shown


def test_a_machine_that_did_not_boot_is_adopted_and_booted(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(STACK)
    misbehave('{address: vm.db, step: vm.boot, times: 1, fail: "the kernel panicked"}')
    herocloud("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    assert "< vm.db   adopt   found on the host, taken over and booted" in herocloud.done("plan").out
    herocloud.done("apply", "--approve", "update")
    assert json.loads(herocloud.done("vm", "list", "--json").out)["vms"][0]["state"] == "running"


def test_an_orphan_that_runs_is_not_stopped_without_the_class_for_that(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    herocloud.write(STACK.replace("volumes: [data]}", "volumes: [data], state: stopped}"))
    ran = herocloud("apply", "--approve", "update")
    assert ran.code == 12, ran.both
    assert "stop: `vm.db`" in ran.err
    herocloud.done("apply", "--approve", "stop")
    assert json.loads(herocloud.done("vm", "list", "--json").out)["vms"][0]["state"] == "stopped"


def test_plan_and_adoption_count_the_same(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    (planned,) = [line for line in herocloud.done("plan").out.splitlines() if line.startswith("Slices")]
    (adopted,) = [line for line in herocloud("state", "adopt", "vm.db").out.splitlines() if line.startswith("Slices")]
    assert adopted == planned
    assert "→" not in planned
    herocloud.done("state", "adopt", "vm.db", "-y")
    assert "No changes." in herocloud.done("plan").out


def test_a_plan_offers_no_adoption_that_would_be_refused(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(STACK)
    misbehave('{address: vm.db, step: vm.create, times: 1, fail: "the disk is full"}')
    assert herocloud("apply", "-y").code in (1, 13)
    herocloud.done("state", "rm", "vm.db")
    herocloud.write(STACK.replace("debian.qcow2", "debian-13.qcow2"))
    ran = herocloud("plan")
    assert "vm.db" in ran.out
    assert "state adopt" not in ran.both
    assert herocloud("state", "adopt", "vm.db", "-y").code == 1
