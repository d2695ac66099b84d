"""`undo` of an apply that failed takes back what that left half made as well."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

OTHER = "other: {source: 'https://example.org/other.qcow2', unpinned: true, format: qcow2}"
STACK = f"""\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}, {OTHER}}}
networks: {{lan: {{cidr: 10.41.0.0/24}}}}
volumes: {{data: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [lan], volumes: [data]}}
  lb: {{image: other, memory: 1 GiB}}
"""
BEFORE = f"stack: shop\nimages: {{{OTHER}}}\nvms: {{lb: {{image: other, memory: 1 GiB}}}}\n"
HALVES = {
    "vm.create": "vm.db",
    "disk.create": "vm.db",
    "seed.write": "vm.db",
    "tap.create": "vm.db",
    "volume.create": "volume.data",
    "network.create": "network.lan",
    "image.fetch": "image.debian",
}


@pytest.fixture
def break_half_way(herocloud: Any, misbehave: Callable[[str], None]) -> Callable[[str, str], str]:
    """Return a function that applies the stack file while a step fails half-way; it returns what was printed."""

    def apply(address: str, kind: str) -> str:
        misbehave(f'{{address: "{address}", step: {kind}, at: half, times: 1, fail: "the disk is full"}}')
        ran = herocloud("apply", "-y")
        assert ran.code in (1, 13), ran.both
        return str(ran.both)

    return apply


def _halves(herocloud: Any) -> list[tuple[str, str]]:
    """Return every address in the simulated world with what is half made there."""
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    try:
        return sorted(world.execute("SELECT address, halves FROM things").fetchall())
    finally:
        world.close()


@pytest.mark.parametrize("kind", sorted(HALVES))
def test_the_advice_after_a_failed_apply_leaves_nothing_of_it(herocloud: Any, kind: str, break_half_way: Callable[[str, str], str]) -> None:
    herocloud.write(STACK)
    address = HALVES[kind]
    assert "herocloud undo apply-1" in break_half_way(address, kind)
    ran = herocloud.done("undo", "apply-1", "-y")
    assert f"- {address} " in ran.both, "the plan names it"
    assert _halves(herocloud) == []
    assert "There are no orphans" in herocloud.done("state", "orphans").out
    assert json.loads(herocloud.done("state", "list", "--json").out)["records"] == []


@pytest.mark.parametrize("kind", sorted(HALVES))
def test_undo_of_a_later_apply_that_failed_leaves_what_was_there_before(
    herocloud: Any, kind: str, break_half_way: Callable[[str, str], str]
) -> None:
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y")
    herocloud.write(STACK)
    break_half_way(HALVES[kind], kind)
    herocloud.done("undo", "apply-2", "-y")
    herocloud.write(BEFORE)
    assert _halves(herocloud) == [("image.other", "{}"), ("vm.lb", "{}")]
    assert "No drift." in herocloud.done("drift", "--detailed-exitcode").out
    assert "No changes." in herocloud.done("plan").out
    assert "There are no orphans" in herocloud.done("state", "orphans").out


@pytest.mark.parametrize("kind", sorted(HALVES))
def test_an_undo_that_is_taken_back_makes_whole_with_the_next_apply(
    herocloud: Any, kind: str, break_half_way: Callable[[str, str], str]
) -> None:
    herocloud.write(STACK)
    break_half_way(HALVES[kind], kind)
    herocloud.done("undo", "apply-1", "-y")
    herocloud.done("undo", "-y")
    herocloud.done("apply", "-y")
    assert [halves for _, halves in _halves(herocloud)] == ["{}"] * 6
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


@pytest.mark.parametrize("kind", ["disk.prepare", "seed.prepare"])
def test_undo_discards_what_a_failed_replacement_left_beside_a_vm(
    herocloud: Any, kind: str, break_half_way: Callable[[str, str], str]
) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.write(STACK.replace("debian.qcow2", "debian13.qcow2"))
    break_half_way("vm.db", kind)
    herocloud.done("undo", "-y")
    herocloud.write(STACK)
    assert [halves for _, halves in _halves(herocloud)] == ["{}"] * 6
    assert "No drift." in herocloud.done("drift").out
    assert "No changes." in herocloud.done("plan").out


def test_undo_shows_what_it_discards_and_the_room_that_comes_back(herocloud: Any, break_half_way: Callable[[str, str], str]) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.write(STACK.replace("debian.qcow2", "debian13.qcow2"))
    break_half_way("vm.db", "disk.prepare")
    shown = herocloud("undo", "--no-input").both
    assert "disk.new half made" in shown
    assert "disk 31 → 21 GiB" in shown


def test_what_an_undo_discards_stays_discarded_when_the_undo_is_rolled_back(
    herocloud: Any, break_half_way: Callable[[str, str], str]
) -> None:
    herocloud.write(STACK)
    break_half_way("vm.db", "vm.create")
    rule = '{address: image.debian, step: image.delete, times: 1, fail: "busy"}'
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n  - {rule}\n", encoding="utf-8")
    ran = herocloud("undo", "-y", "--on-failure", "rollback")
    assert ran.code not in (0, 2), ran.both
    assert "vm.db" in herocloud.done("show").out
    herocloud.done("apply", "-y")
    assert "No drift." in herocloud.done("drift").out
    assert [halves for _, halves in _halves(herocloud)] == ["{}"] * 6


def test_a_card_that_is_half_made_gives_back_no_more_bandwidth_than_it_took(
    herocloud: Any, break_half_way: Callable[[str, str], str]
) -> None:
    herocloud.write(STACK.replace("networks: [lan]", "networks: [{network: lan, rate: {download: 100 Mbit/s}}]"))
    break_half_way("vm.db", "tap.create")
    for words in (("undo", "apply-1", "--no-input"), ("plan", "--destroy")):
        assert "network 100 Mbit/s → 0 of" in herocloud(*words).both
