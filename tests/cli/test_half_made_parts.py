"""What an apply began to make and did not finish is shown, taken over by the next apply that wants it, and removed by one that does not."""

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
    "vm.create": ("vm.db", "machine"),
    "disk.create": ("vm.db", "disk"),
    "tap.create": ("vm.db", "nic.0"),
    "volume.create": ("volume.data", "volume"),
    "network.create": ("network.lan", "network"),
    "image.fetch": ("image.debian", "image"),
}


@pytest.fixture
def break_half_way(herocloud: Any, misbehave: Callable[[str], None]) -> Callable[[str, str], None]:
    """Return a function that lets the first step of a kind at an address fail half-way."""

    def set_up(address: str, kind: str) -> None:
        misbehave(f'{{address: "{address}", step: {kind}, at: half, times: 1, fail: "the disk is full"}}')

    return set_up


@pytest.fixture(params=sorted(HALVES))
def broken(herocloud: Any, request: pytest.FixtureRequest, break_half_way: Callable[[str, str], None]) -> tuple[str, str]:
    """Apply a stack in which something stays half made; returns its address and part."""
    address, part = HALVES[str(request.param)]
    herocloud.write(STACK)
    break_half_way(address, str(request.param))
    ran = herocloud("apply", "-y")
    assert ran.code in (1, 13), ran.both
    return address, part


def _left(herocloud: Any) -> list[tuple[str, str, str]]:
    """Return what is in the simulated world, deleted data apart."""
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    try:
        return world.execute("SELECT address, parts, halves FROM things").fetchall()
    finally:
        world.close()


def test_drift_shows_what_is_half_made(herocloud: Any, broken: tuple[str, str]) -> None:
    address, part = broken
    drift = herocloud("drift", "--detailed-exitcode")
    assert drift.code == 2
    assert f" {part} is half made" in drift.out, drift.out
    assert drift.out.startswith("Left by an apply that did not succeed, stack shop:")
    assert "Changed outside herocloud" not in drift.out
    assert "recorded state" not in drift.out
    assert "gone" not in drift.out, "what never was is not gone"
    entries = json.loads(herocloud.done("drift", "--json").out)["resource_drift"]
    assert (address, part, "half made") in [(entry["address"], entry["part"], entry["change"]["after"]) for entry in entries]
    assert {(entry["left_by_apply"], entry["cause"]) for entry in entries} == {(True, "failed_apply")}


@pytest.mark.usefixtures("broken")
def test_destroy_leaves_nothing_of_it(herocloud: Any) -> None:
    herocloud.done("destroy", "-y", "--purge")
    assert _left(herocloud) == []
    assert "There are no orphans" in herocloud.done("state", "orphans").out


@pytest.mark.usefixtures("broken")
def test_the_next_apply_of_the_same_file_makes_it_whole(herocloud: Any) -> None:
    herocloud.done("apply", "-y")
    assert [halves for *_, halves in _left(herocloud)] == ["{}"] * 4
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


@pytest.mark.usefixtures("broken")
def test_an_apply_of_a_file_without_it_removes_it(herocloud: Any) -> None:
    herocloud.write('stack: shop\nimages: {alpine: {source: "https://example.org/a.qcow2", unpinned: true, format: qcow2}}\n')
    herocloud.done("apply", "-y", "--purge")
    assert [address for address, *_ in _left(herocloud)] == ["image.alpine"]


def test_nothing_half_made_is_called_data_that_is_kept(herocloud: Any, break_half_way: Callable[[str, str], None]) -> None:
    herocloud.write(STACK)
    break_half_way("volume.data", "volume.create")
    herocloud("apply", "-y")
    destroyed = json.loads(herocloud.done("plan", "--destroy", "--json").out)["resource_changes"]
    [volume] = [change for change in destroyed if change["address"] == "volume.data"]
    assert "data" not in json.dumps(volume.get("note") or "")
    herocloud.done("destroy", "-y")
    assert "volume.data" not in herocloud.done("state", "gc", "--all", "-y").both


def test_a_disk_that_was_half_prepared_goes_with_the_next_apply(herocloud: Any, break_half_way: Callable[[str, str], None]) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    break_half_way("vm.db", "disk.prepare")
    herocloud.write(STACK.replace("debian.qcow2", "debian13.qcow2"))
    ran = herocloud("apply", "-y")
    assert ran.code in (1, 13), ran.both
    assert "disk.new is half made" in herocloud.done("drift").out
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    assert "No drift." in herocloud.done("drift").out
    assert "No changes." in herocloud.done("plan").out
    assert [halves for *_, halves in _left(herocloud)] == ["{}"] * 4


def test_what_is_half_made_and_has_no_record_is_an_orphan(herocloud: Any, break_half_way: Callable[[str, str], None]) -> None:
    herocloud.write(STACK)
    break_half_way("volume.data", "volume.create")
    herocloud("apply", "-y")
    herocloud.done("state", "rm", "volume.data")
    [orphan] = json.loads(herocloud.done("state", "orphans", "--json").out)["orphans"]
    assert (orphan["address"], orphan["half_made"]) == ("volume.data", ["volume"])
    assert "HALF MADE" in herocloud.done("state", "orphans").out
    assert herocloud("state", "adopt", "volume.data", "-y").code == 1, "there is nothing to take back"
    herocloud.done("state", "gc", "-y")
    assert "volume.data" not in [address for address, *_ in _left(herocloud)]


def test_a_destroy_that_is_taken_back_leaves_the_record_of_what_was_half_made(
    herocloud: Any, break_half_way: Callable[[str, str], None]
) -> None:
    herocloud.write(STACK)
    break_half_way("vm.db", "vm.create")
    herocloud("apply", "-y")
    rule = '{address: volume.data, step: volume.delete, times: 1, fail: "busy"}'
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n  - {rule}\n", encoding="utf-8")
    ran = herocloud("destroy", "-y", "--on-failure", "rollback")
    assert ran.code not in (0, 2), ran.both
    assert "vm.db" in herocloud.done("show").out
    herocloud.done("apply", "-y")
    assert "No drift." in herocloud.done("drift").out
    assert [halves for *_, halves in _left(herocloud)] == ["{}"] * 4
