"""A clone or an export takes a snapshot for a moment, and never one that is there already."""

import json
import os
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
networks: {lan: {cidr: 10.42.0.0/24, nat: true}}
vms:
  db: {image: debian, networks: [lan], memory: 1 GiB}
"""


def _names(herocloud: Any) -> list[str]:
    return [one["name"] for one in json.loads(herocloud("vm", "snapshot", "list", "db", "--json").out)["snapshots"]]


@pytest.fixture
def shop(herocloud: Any) -> Any:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_a_snapshot_of_that_name_is_refused_and_kept(shop: Any) -> None:
    shop.done("vm", "snapshot", "create", "db", "--name", "clone-copy")
    ran = shop("vm", "clone", "db", "copy")
    assert ran.code == 1, ran.both
    assert "vm snapshot delete db clone-copy" in ran.err
    assert "--snapshot clone-copy" in ran.err
    assert _names(shop) == ["clone-copy"]
    shop.done("vm", "clone", "db", "copy", "--snapshot", "clone-copy")
    assert _names(shop) == ["clone-copy"]


def test_the_one_for_a_moment_is_gone_afterwards(shop: Any) -> None:
    shop.done("vm", "clone", "db", "copy")
    assert _names(shop) == []


def test_a_clone_does_not_finish_what_somebody_else_began(shop: Any, spawn: Any) -> None:
    shop.done("vm", "clone", "db", "copy")
    faults = {**os.environ, "HEROCLOUD_FAULTS": "apply.perform.after:1:kill"}
    process = spawn("vm", "delete", "copy", "--stack", "imperative", "-y", env=faults)
    process.communicate(timeout=60)
    assert process.returncode == -9
    ran = shop("vm", "clone", "db", "other")
    assert ran.code == 12, ran.both
    assert "resume" in ran.err
    assert "copy" in shop.done("vm", "list", "--stack", "imperative").out
    shop.done("resume", "--stack", "imperative", "-y")
    shop.done("vm", "clone", "db", "other")
