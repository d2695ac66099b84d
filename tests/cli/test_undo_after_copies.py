"""A plain `undo` takes back what somebody asked for, and not what a clone or an export did in passing."""

import json
import os
import sqlite3
from typing import Any

import pytest

from herocloud.operations import reversal
from herocloud.state.store import Applied

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}
vms:
  db: {{image: debian, memory: {memory} GiB}}
"""


def _content(herocloud: Any) -> str:
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((contents,),) = world.execute("SELECT contents FROM things WHERE stack = 'shop' AND address = 'vm.db'").fetchall()
    world.close()
    return str(json.loads(contents)["disk"])


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a VM, and change it."""
    for memory in (1, 2):
        herocloud.write(STACK.format(memory=memory))
        herocloud.done("apply", "-y", "-q")
    return herocloud


def test_undo_after_an_export_takes_back_the_last_change_of_the_stack(shop) -> None:
    content = _content(shop)
    shop.done("vm", "export", "db", "db.vm")
    shop.done("undo", "-y")
    assert _content(shop) == content
    assert "1 GiB" in shop.done("vm", "show", "db", "--stack", "shop").out
    assert shop.done("drift").out == "No drift.\n"


def test_undo_after_a_clone_asks_what_is_meant_and_leaves_the_source_alone(shop) -> None:
    shop.done("vm", "clone", "db", "copy")
    ran = shop("undo", "-y")
    assert ran.code == 1, ran.both
    assert "It is not clear what is to be undone" in ran.err
    assert "`herocloud undo apply-2` takes back what was done to `shop`" in ran.err
    assert "2 GiB" in shop.done("vm", "show", "db", "--stack", "shop").out
    shop.done("undo", "apply-2", "-y")
    assert "1 GiB" in shop.done("vm", "show", "db", "--stack", "shop").out
    assert shop.done("drift").out == "No drift.\n"


def test_without_a_stack_file_undo_takes_back_the_clone(shop) -> None:
    shop.done("vm", "clone", "db", "copy")
    (shop.folder / "stack.yaml").unlink()
    shop.done("undo", "-y")
    records = json.loads(shop.done("state", "list", "--json").out)["records"]
    assert [one["address"] for one in records if one["address"].startswith("vm.")] == ["vm.db"]


def test_a_snapshot_that_somebody_took_is_the_last_change(shop) -> None:
    shop.done("vm", "snapshot", "create", "db", "--name", "s1")
    shop.done("undo", "-y")
    assert "s1" not in shop.done("vm", "snapshot", "list", "db").out
    assert "2 GiB" in shop.done("vm", "show", "db").out


def test_a_snapshot_that_was_purged_is_not_called_the_data_of_its_vm(shop) -> None:
    shop.done("vm", "snapshot", "create", "db", "--name", "s1")
    shop.done("vm", "snapshot", "delete", "db", "s1", "--purge", "-y")
    ran = shop("undo", "-y")
    assert ran.code == 1, ran.both
    assert "The snapshot `s1` of `vm.db` was purged. The deletion cannot be taken back; nothing else is lost." in ran.err
    assert "data of `vm.db`" not in ran.both
    assert "re-created, and empty" not in ran.both
    shop.done("undo", "apply-2", "-y")
    assert "1 GiB" in shop.done("vm", "show", "db").out


def test_what_was_done_in_passing_can_be_named_and_says_what_it_was(shop) -> None:
    shop.done("vm", "clone", "db", "copy")
    newest = json.loads(shop.done("state", "log", "--json").out)["history"][0]
    assert (newest["command"], newest["operation"]) == ("vm clone", "vm snapshot delete")
    ran = shop("undo", newest["apply"], "-y")
    assert "The snapshot `clone-copy` of `vm.db` was purged." in ran.err


def test_a_copy_that_was_cut_off_in_passing_is_rolled_back(shop, spawn) -> None:
    cut = spawn("vm", "clone", "db", "copy", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "simulator.snapshot.create.after:1:kill"})
    cut.communicate(timeout=60)
    ran = shop.done("undo", "-y")
    assert "apply-3" in ran.both
    assert shop.done("drift").out == "No drift.\n"


def test_what_the_daemon_did_in_passing_is_passed_over() -> None:
    mine = Applied(1, "p1", "shop", "apply", "done", 1.0, 2.0, 1, None, "apply")  # type: ignore[arg-type]
    passing = mine._replace(apply=2, operation="vm snapshot create", command="rpc snapshot_schedule")
    assert reversal.choose([passing, mine], None) == mine
    assert reversal.choose([passing, mine], "apply-2") == passing
