"""An undo brings back the data that exactly its apply took away, whatever else lies in a tombstone under the same path."""

import json
import os
import signal
import sqlite3
from typing import Any

import pytest

from herocloud.providers.simulator import moves

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms: {{web: {{image: debian, memory: 1 GiB}}}}
"""
VOLUME = "stack: shop\nvolumes: {data: {size: 1 GiB}}\n"
NOTHING = "stack: shop\n"


def _content(herocloud: Any, address: str = "vm.web") -> str:
    """Return the token that stands for the data on a disk."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((contents,),) = world.execute("SELECT contents FROM things WHERE address = ?", (address,)).fetchall()
    world.close()
    return str(json.loads(contents)["disk" if address.startswith("vm.") else "volume"])


def _drop(herocloud: Any, content: str) -> None:
    """Destroy what a tombstone keeps, as its time to live does."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((key,),) = world.execute("SELECT key FROM tombstones WHERE content = ?", (content,)).fetchall()
        moves.drop(world, key)
    world.close()


def _forget_makers(herocloud: Any, parts: int) -> None:
    """Make tombstones what older versions wrote: without their makers, or without the apply in them."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        for key, body in world.execute("SELECT key, body FROM tombstones").fetchall():
            kept = json.loads(body)
            kept[moves._BURIED_BY] = kept[moves._BURIED_BY][:parts] or None
            world.execute("UPDATE tombstones SET body = ? WHERE key = ?", (json.dumps(kept), key))
    world.close()


def _apply(herocloud: Any, image: str) -> str:
    herocloud.write(STACK.format(image=image))
    herocloud.done("apply", "-y", "-q")
    return _content(herocloud)


@pytest.fixture
def disks(herocloud: Any) -> list[str]:
    """Apply a VM and replace it twice; returns what its disks hold, in the order of the applies."""
    contents = [_apply(herocloud, image) for image in ("first", "second", "third")]
    assert len(set(contents)) == 3
    return contents


def test_undoing_applies_in_order_brings_back_the_disk_of_each(herocloud, disks) -> None:
    herocloud.done("undo", "-y")
    assert _content(herocloud) == disks[1]
    ran = herocloud.done("undo", "apply-2", "-y")
    assert "10 GiB of data comes back" in ran.out
    assert _content(herocloud) == disks[0]
    assert herocloud.done("drift").out == "No drift.\n"


def test_undos_are_undone_in_order_too(herocloud, disks) -> None:
    for which in ("apply-3", "apply-2"):
        herocloud.done("undo", which, "-y")
    for which, disk in (("apply-5", disks[1]), ("apply-4", disks[2]), ("apply-7", disks[1]), ("apply-6", disks[0])):
        herocloud.done("undo", which, "-y")
        assert _content(herocloud) == disk, which


def test_an_undo_that_failed_and_was_rolled_back_finds_the_same_disk_again(herocloud, misbehave, disks) -> None:
    herocloud.done("undo", "-y")
    misbehave("{address: vm.web, step: vm.boot, times: 1, fail: no luck}")
    assert "Rolled back" in herocloud("undo", "apply-2", "-y", "--on-failure", "rollback").out
    assert _content(herocloud) == disks[1]
    herocloud.done("undo", "apply-2", "-y")
    assert _content(herocloud) == disks[0]


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize("point", ["disk.delete.after", "undo.disk.delete.before", "undo.disk.delete.after"])
def test_an_undo_that_was_killed_finds_the_right_disk(herocloud, spawn, disks, point, way) -> None:
    herocloud.done("undo", "-y")
    killed = spawn("undo", "apply-2", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:1:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    herocloud.done("resume", "-y", "-q", *way)
    assert _content(herocloud) == disks[1 if way else 0]
    if way:
        herocloud.done("undo", "apply-2", "-y")
        assert _content(herocloud) == disks[0]


def test_a_plan_that_ran_twice_took_two_disks_away(herocloud) -> None:
    first = _apply(herocloud, "first")
    _apply(herocloud, "second")
    herocloud.done("undo", "-y")
    herocloud.write(STACK.format(image="second"))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("undo", "-y")
    assert _content(herocloud) == first


def test_a_volume_comes_back_with_its_data_and_not_with_that_of_its_empty_successor(herocloud) -> None:
    contents = []
    for text in (VOLUME, NOTHING, VOLUME):
        herocloud.write(text)
        herocloud.done("apply", "-y", "-q")
        if text is VOLUME:
            contents.append(_content(herocloud, "volume.data"))
    herocloud.done("undo", "-y")
    assert "1 GiB of data comes back" in herocloud.done("undo", "apply-2", "-y").out
    assert _content(herocloud, "volume.data") == contents[0] != contents[1]


def test_a_renamed_vm_gets_its_own_disk_back(herocloud, disks) -> None:
    herocloud.write(STACK.format(image="third").replace("web:", "shop:") + "moved: [{from: vm.web, to: vm.shop}]\n")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(NOTHING)
    herocloud.done("apply", "-y", "-q")
    for which in ("apply-5", "apply-4", "apply-3", "apply-2"):
        herocloud.done("undo", which, "-y")
    assert _content(herocloud) == disks[0]


def test_the_plan_of_an_undo_says_that_the_right_data_is_gone_although_other_data_is_kept(herocloud, disks) -> None:
    herocloud.done("undo", "-y")
    _drop(herocloud, disks[0])
    refused = herocloud("undo", "apply-2", "-y")
    assert refused.code != 0
    assert "Deleted data is gone" in refused.both
    assert _content(herocloud) == disks[1]


@pytest.fixture
def cut(herocloud: Any, spawn: Any) -> list[str]:
    """Replace a VM, and be killed in the middle of replacing it again; returns what its disks held."""
    contents = [_apply(herocloud, image) for image in ("first", "second")]
    herocloud.write(STACK.format(image="third"))
    faults = {**os.environ, "HEROCLOUD_FAULTS": "simulator.disk.place.after:1:kill"}
    process = spawn("apply", "-y", "-q", env=faults)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return contents


def test_a_rollback_whose_own_data_is_gone_brings_no_older_data_back(herocloud, cut) -> None:
    _drop(herocloud, cut[1])
    said = herocloud("resume", "--rollback")
    assert "cannot come back" in said.out
    ran = herocloud("resume", "--rollback", "-y")
    assert ran.code != 0, ran.both
    assert "destroyed is gone for good" in ran.both
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        assert world.execute("SELECT content FROM tombstones").fetchall() == [(cut[0],)]
    world.close()


def test_a_rollback_brings_back_its_own_data(herocloud, cut) -> None:
    assert "cannot come back" not in herocloud("resume", "--rollback").out
    herocloud.done("resume", "--rollback", "-y")
    assert _content(herocloud) == cut[1]


@pytest.mark.parametrize("parts", [0, 2], ids=["without a maker", "without the apply"])
def test_tombstones_of_older_versions_come_back(herocloud, parts) -> None:
    first = _apply(herocloud, "first")
    _apply(herocloud, "second")
    _forget_makers(herocloud, parts)
    herocloud.done("undo", "-y")
    assert _content(herocloud) == first
