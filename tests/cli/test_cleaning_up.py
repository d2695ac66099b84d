"""Orphans and tombstones: listed, spared, removed."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.simulator import tamper, world


@pytest.fixture
def orphaned(herocloud: Any, applied: Path) -> None:
    """Forget a VM that goes on existing."""
    herocloud.done("state", "rm", "vm.db")


@pytest.mark.usefixtures("orphaned")
def test_an_orphan_is_removed_once_that_is_approved(herocloud: Any) -> None:
    refused = herocloud("state", "gc")
    assert refused.code == 12
    assert "vm.db" in refused.out
    herocloud.done("state", "gc", "--approve", "destroy")
    assert herocloud.done("state", "orphans").out == "There are no orphans.\n"
    assert herocloud.done("drift").out == "No drift.\n"


@pytest.mark.usefixtures("orphaned")
def test_what_carries_the_mark_of_another_state_stays_unless_asked_for(herocloud: Any) -> None:
    for path in herocloud.data_folder.glob("state*"):
        path.unlink()
    listed = herocloud.done("state", "orphans")
    assert "6 of them carry the mark of another state" in listed.err
    spared = herocloud.done("state", "gc", "-y")
    assert spared.out == "There is nothing to remove.\n"
    assert "--foreign" in spared.err
    herocloud.done("state", "gc", "-y", "--foreign")
    assert herocloud.done("state", "orphans").out == "There are no orphans.\n"


@pytest.mark.usefixtures("orphaned")
def test_the_data_of_an_orphan_is_kept_for_a_time(herocloud: Any) -> None:
    herocloud.done("state", "gc", "-y")
    kept = json.loads(herocloud.done("state", "gc", "--all", "-y", "--json").out)
    assert [key.split("/")[1] for key in kept["tombstones"]] == ["vm.db"]


@pytest.mark.usefixtures("orphaned")
def test_what_is_removed_is_counted_and_named_once(herocloud: Any) -> None:
    herocloud.done("state", "gc", "-y")
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    refused = herocloud("state", "gc", "--all")
    assert "Nobody approved the removal of `vm.db`, and" in refused.err
    assert "of 1 tombstone, " in herocloud.done("state", "gc", "--all", "-y").out


def test_data_that_was_deleted_again_during_the_question_stays(herocloud: Any, applied: Path, answer: Any) -> None:
    def bring_back_and_delete_again() -> None:
        herocloud.done("undo", "-y")
        herocloud.done("destroy", "-y")

    herocloud.done("destroy", "-y")
    keys = _keys(herocloud)
    code, screen = answer("state", "gc", "--all", answer="yes\n", meanwhile=bring_back_and_delete_again)
    assert (code, _keys(herocloud)) == (0, keys), screen
    assert "was deleted again since it was listed, and stays" in screen
    assert "Destroyed" not in screen


def _keys(herocloud: Any) -> list[str]:
    return sorted(world.snapshot(herocloud.data_folder).tombstones)


@pytest.mark.usefixtures("orphaned")
def test_purging_keeps_nothing(herocloud: Any) -> None:
    herocloud.done("state", "gc", "-y", "--purge")
    assert herocloud.done("state", "gc", "--all").out == "There is nothing to remove.\n"


@pytest.mark.usefixtures("orphaned")
def test_an_adopted_orphan_is_as_before(herocloud: Any) -> None:
    herocloud.done("state", "adopt", "db", "-y")
    assert herocloud.done("plan").out == "No changes.\n"
    assert herocloud.done("state", "orphans").out == "There are no orphans.\n"


def test_what_is_gone_is_drift_and_not_an_orphan(herocloud: Any, applied: Path) -> None:
    tamper.main([str(herocloud.data_folder), "vm.db", "vanish"])
    assert herocloud.done("state", "orphans").out == "There are no orphans.\n"
    assert "vm.db" in herocloud.done("drift").out
    assert "gone" in herocloud.done("vm", "list").out
    refused = herocloud("vm", "stop", "db")
    assert refused.code == 1
    assert "`herocloud apply` re-creates it" in refused.err
    herocloud.done("apply", "-y")
    assert herocloud.done("drift").out == "No drift.\n"


def _left_by_an_import(herocloud: Any, name: str) -> Path:
    folder: Path = herocloud.data_folder / "imports" / name
    folder.mkdir(mode=0o700, parents=True)
    (folder / "disk.raw").write_bytes(b"x" * 8192)
    return folder


@pytest.mark.usefixtures("applied")
def test_what_a_killed_import_left_is_removed_and_what_a_running_one_has_stays(herocloud: Any) -> None:
    left, used = _left_by_an_import(herocloud, "left"), _left_by_an_import(herocloud, "used")
    held = os.open(used, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_EX)
    cleaned = herocloud.done("state", "gc", "-y")
    assert "removed what 1 import had unpacked and left, 8 KiB" in cleaned.err
    assert (left.exists(), used.exists()) == (False, True)
    os.close(held)
    # An apply does it as well.
    herocloud.done("vm", "stop", "vm.db")
    assert not used.exists()
