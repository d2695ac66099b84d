"""Restores are undone in the order in which they came, newest first, and each brings back exactly what it replaced."""

import json
import sqlite3
from typing import Any

import pytest

from herocloud.operations import snapshot_requests
from herocloud.providers.simulator import world

STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
volumes: {data: {size: 1 GiB}}
vms: {db: {image: debian, memory: 1 GiB, volumes: [data]}}
"""


def _contents(herocloud: Any) -> tuple[str, str]:
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as found:
        query = "SELECT contents FROM things WHERE address = ?"
        disk, volume = (json.loads(found.execute(query, (one,)).fetchone()[0]) for one in ("vm.db", "volume.data"))
    found.close()
    return disk["disk"], volume["volume"]


@pytest.fixture(params=[(1, 2), (1, 1)], ids=["one after the other", "within one second"])
def restored(herocloud: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    """Restore a snapshot twice; returns what was on the disks before each."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    herocloud.done("vm", "snapshot", "create", "db", "--name", "s1")
    contents = []
    plan_restore = snapshot_requests.plan_restore
    for moment in request.param:
        world.write(herocloud.data_folder, "vm.db")
        world.write(herocloud.data_folder, "volume.data", "volume")
        contents.append(_contents(herocloud))

        def at_that_moment(*given: Any, moment: int = moment, **more: Any) -> Any:
            return plan_restore(*given[:4], 1_800_000_000 + moment, **more)

        monkeypatch.setattr(snapshot_requests, "plan_restore", at_that_moment)
        herocloud.done("vm", "snapshot", "restore", "db", "s1", "-y", "-q")
    return contents


def test_newest_first_brings_back_what_each_replaced(herocloud, restored) -> None:
    ran = herocloud.done("undo", "apply-4", "-y")
    assert ran.out.count("of data comes back, and what was written since is destroyed at once") == 2
    assert _contents(herocloud) == restored[1]
    herocloud.done("undo", "apply-3", "-y")
    assert _contents(herocloud) == restored[0]
    assert herocloud.done("drift").out == "No drift.\n"


def test_the_older_one_is_refused_until_the_newer_is_undone(herocloud, restored) -> None:
    before = _contents(herocloud)
    ran = herocloud("undo", "apply-3", "-y")
    assert ran.code == 1, ran.both
    said = "The disks of `volume.data`, `vm.db` are not those that `apply-3` put there: another restoring came after it."
    assert said in ran.err
    assert ran.err.count("error: ") == 1
    assert _contents(herocloud) == before
    assert [one["outcome"] for one in json.loads(herocloud.done("state", "log", "--json").out)["history"]] == ["done"] * 4
    for which, contents in (("apply-4", restored[1]), ("apply-3", restored[0])):
        herocloud.done("undo", which, "-y")
        assert _contents(herocloud) == contents


def test_a_restored_disk_that_was_deleted_and_came_back_knows_its_restoring(herocloud, restored) -> None:
    herocloud.done("destroy", "-y", "-q")
    herocloud.done("undo", "-y")
    herocloud.done("undo", "apply-4", "-y")
    assert _contents(herocloud) == restored[1]
