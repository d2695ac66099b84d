"""A state that is gone while what it spoke of is still there: the next apply takes that over, and nothing of it is given away twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import inputs, stack_plans
from herocloud.state import store

pytestmark = pytest.mark.world

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
networks:
  lan: {cidr: 10.42.0.0/24}
vms:
  web: {count: 2, image: tiny, networks: [lan]}
  db: {image: tiny, networks: [lan]}
"""
CHANGES = {
    "the same file": STACK,
    "one instance more": STACK.replace("count: 2", "count: 4"),
    "one VM gone and another new": STACK.replace("  db: {", "  mail: {"),
    "a new VM first": STACK.replace("vms:\n", "vms:\n  a: {image: tiny, networks: [lan]}\n"),
    "another stack": STACK.replace("stack: shop", "stack: other").replace("10.42.0", "10.43.0"),
}


def lose(folder: Path) -> None:
    for path in folder.glob("state.*"):
        path.unlink()


def seen(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    host = inputs.find_host(folder, store.read_recorded(folder))
    for stack, things in stack_plans.look(host, None).things.items():
        for address, thing in things.items():
            if address.startswith("vm."):
                yield f"{stack}/{address}", dict(thing.parts)


def machines_of(folder: Path) -> dict[str, dict[str, Any]]:
    # Taps of other data folders on this host have no machine here.
    return {name: parts for name, parts in seen(folder) if "machine" in parts}


def require_nothing_twice(folder: Path, machines: int) -> None:
    found = machines_of(folder)
    assert len(found) == machines
    nics = [part for parts in found.values() for key, part in parts.items() if key.startswith("nic.")]
    held = [(part["network"], part["address"]) for part in nics]
    for what in ([part["mac"] for part in nics], [part["tap"] for part in nics], [parts["machine"]["sid"] for parts in found.values()]):
        assert len(what) == len(set(what)), what
    assert len(held) == len(set(held)), held


def apply_thrice(runner: Any) -> None:
    """The second and third have nothing left to do; a conflict on the host would end them with 13."""
    for number in range(3):
        ran = runner("apply", "-y", "-q")
        assert ran.code == 0, ran.both
        assert number == 0 or "No changes." in ran.out, ran.both


@pytest.mark.parametrize("text", CHANGES.values(), ids=CHANGES)
def test_three_applies_in_a_row_take_over_what_is_there(text: str, herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    before = dict(seen(herocloud.data_folder))
    lose(herocloud.data_folder)
    herocloud.write(text)
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert {one["action"] for one in plan["resource_changes"]} <= {"adopt", "create"}
    apply_thrice(herocloud)
    after = dict(seen(herocloud.data_folder))
    assert {name: parts for name, parts in after.items() if name in before} == before, "what ran goes on as it was"
    require_nothing_twice(herocloud.data_folder, len(after))


def test_the_memory_of_what_nobody_adopts_is_not_promised(herocloud: Any) -> None:
    (herocloud.data_folder / "host.yaml").write_text("simulated: {memory: 17 GiB, disk: 1 TiB, cpus: 64}\n")
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    lose(herocloud.data_folder)
    herocloud.write(CHANGES["another stack"])
    ran = herocloud("plan")
    assert ran.code == 14, ran.both
    assert "does not fit" in ran.err


def test_a_real_host_is_taken_over_too(stand_in: Any, tmp_path: Path) -> None:
    image = tmp_path / "tiny.raw"
    image.write_bytes(b"tiny" * 1024)
    text = STACK.replace("https://example.org/tiny.raw", str(image)).replace(", networks: [lan]", "")
    text = text.replace("networks:\n  lan: {cidr: 10.42.0.0/24}\n", "").replace("count: 2", "count: 1, memory: 1 GiB")
    text = text.replace("db: {", "db: {memory: 1 GiB, ")
    stand_in.write(text)
    stand_in.done("apply", "-y", "-q")
    before = dict(seen(stand_in.data_folder))
    lose(stand_in.data_folder)
    stand_in.write(text.replace("vms:\n", "vms:\n  a: {image: tiny, memory: 1 GiB}\n"))
    apply_thrice(stand_in)
    after = dict(seen(stand_in.data_folder))
    assert {name: parts for name, parts in after.items() if name in before} == before
    require_nothing_twice(stand_in.data_folder, 3)
    # Another state's marks would be refused by the next change.
    stand_in.done("destroy", "-y", "-q")
    assert machines_of(stand_in.data_folder) == {}
