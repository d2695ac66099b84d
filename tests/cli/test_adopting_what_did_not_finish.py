"""A record that is brought back does not claim more than it did: the next plan sees what its VM lacks."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

STACK = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
vms: {db: {image: debian, memory: 1 GiB}}
"""


def _state(herocloud: Any) -> str:
    (vm,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    return str(vm["state"])


def test_a_vm_whose_boot_failed_is_booted_by_the_next_apply(herocloud: Any, misbehave: Callable[[str], None]) -> None:
    herocloud.write(STACK)
    misbehave("{address: vm.db, step: vm.boot, at: half, times: 1, fail: pulled}")
    assert herocloud("apply", "-y").code in (1, 13)
    herocloud.done("state", "rm", "vm.db")
    herocloud.done("state", "adopt", "vm.db", "-y")
    assert _state(herocloud) == "stopped"
    assert "~ vm.db   update live   an earlier apply did not finish it" in herocloud.done("plan").out
    assert "vm.db" in herocloud("drift").out
    herocloud.done("apply", "-y")
    assert _state(herocloud) == "running"
    assert "No changes." in herocloud.done("plan").out


def test_a_vm_that_went_off_without_a_record_is_booted_by_the_next_apply(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    with world:
        world.execute("UPDATE things SET parts = json_set(parts, '$.power', 'stopped') WHERE address = 'vm.db'")
    world.close()
    herocloud.done("state", "adopt", "vm.db", "-y")
    assert "No changes." not in herocloud.done("plan").out
    herocloud.done("apply", "-y")
    assert _state(herocloud) == "running"
    assert "No changes." in herocloud.done("plan").out


def test_an_adoption_is_undone_and_done_again(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    herocloud.done("state", "adopt", "vm.db", "-y")
    assert "No changes." in herocloud.done("plan").out
    herocloud.done("undo", "-y")
    assert "vm.db" in herocloud.done("state", "orphans").out
    herocloud.done("undo", "-y")
    assert "No changes." in herocloud.done("plan").out
