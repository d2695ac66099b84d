"""What drifted before a snapshot, a clone, an export or a restore is drift after it: only an apply heals it."""

import json
import sqlite3
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
volumes: {data: {size: 1 GiB}}
vms:
  db: {image: debian, memory: 1 GiB, volumes: [data]}
"""


@pytest.fixture
def shop(herocloud: Any) -> Any:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    herocloud.done("vm", "snapshot", "create", "db", "--name", "before")
    return herocloud


def change(herocloud: Any, **machine: Any) -> None:
    """Change the simulated machine behind the program's back; `power` is a part of its own."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as connection:
        ((text,),) = connection.execute("SELECT parts FROM things WHERE stack = 'shop' AND address = 'vm.db'")
        parts = json.loads(text)
        power = machine.pop("power", None)
        if power is not None:
            parts["power"] = power
        parts["machine"].update(machine)
        connection.execute("UPDATE things SET parts = ? WHERE stack = 'shop' AND address = 'vm.db'", [json.dumps(parts)])
    connection.close()


def drifted(herocloud: Any) -> list[tuple[str, Any, Any]]:
    found = json.loads(herocloud.done("drift", "--json").out)["resource_drift"]
    return [(one["part"], one["change"]["before"], one["change"]["after"]) for one in found]


@pytest.mark.parametrize(
    "words",
    [
        ("vm", "snapshot", "create", "db", "--name", "after"),
        ("vm", "snapshot", "create", "db", "--name", "after", "--memory"),
        ("vm", "snapshot", "delete", "db", "before", "-y"),
        ("vm", "clone", "db", "copy"),
        ("vm", "export", "db", "db.tar"),
        ("vm", "snapshot", "restore", "db", "before", "-y"),
    ],
    ids=lambda words: "-".join(words[1:3]) + ("-memory" if "--memory" in words else ""),
)
def test_a_machine_that_somebody_changed_is_drift_afterwards_too(shop: Any, words: tuple[str, ...]) -> None:
    change(shop, vcpus=3)
    before = drifted(shop)
    assert [part for part, _, _ in before] == ["machine.vcpus"]
    shop.done(*words)
    assert drifted(shop) == before
    shop.done("apply", "-y", "-q")
    assert drifted(shop) == []
    assert "No changes." in shop.done("plan").out


@pytest.mark.parametrize(
    "words",
    [
        ("vm", "snapshot", "create", "db", "--name", "after"),
        ("vm", "snapshot", "delete", "db", "before", "-y"),
        ("vm", "clone", "db", "copy"),
    ],
    ids=lambda words: "-".join(words[1:3]),
)
def test_a_vm_that_ended_is_drift_afterwards_too(shop: Any, words: tuple[str, ...]) -> None:
    change(shop, power="stopped")
    assert drifted(shop) == [("power", "running", "stopped")]
    shop.done(*words)
    assert drifted(shop) == [("power", "running", "stopped")]
    ran = shop("plan", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "power stopped → running" in ran.out
