"""Undoing a replacement keeps what was written since, so an undo that fails can itself be taken back."""

import json
import sqlite3
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}
vms: {{web: {{image: debian, memory: 1 GiB}}}}
"""


@pytest.fixture
def replaced(herocloud: Any) -> tuple[str, str]:
    """Apply a VM and replace it; returns what its old disk and its new one hold."""
    contents = []
    for image in ("old", "new"):
        herocloud.write(STACK.format(image=image))
        herocloud.done("apply", "-y", "-q")
        contents.append(_content(herocloud))
    assert contents[0] != contents[1]
    return contents[0], contents[1]


def _content(herocloud: Any) -> str:
    """Return the token that stands for the data on the VM's root disk."""
    with sqlite3.connect(herocloud.data_folder / "simulator.db") as world:
        ((contents,),) = world.execute("SELECT contents FROM things WHERE address = 'vm.web'").fetchall()
    world.close()
    return str(json.loads(contents)["disk"])


def _power(herocloud: Any) -> str:
    return str(json.loads(herocloud.done("vm", "list", "--json").out)["vms"][0]["state"])


def test_the_vm_runs_on_its_newer_disk_after_a_failed_undo_was_rolled_back(herocloud, misbehave, replaced) -> None:
    misbehave("{address: vm.web, step: vm.boot, times: 1, fail: no luck}")
    ran = herocloud("undo", "-y", "--on-failure", "rollback")
    assert "what was written since is kept for 7 days" in ran.out
    assert "Rolled back" in ran.out
    assert _power(herocloud) == "running"
    assert _content(herocloud) == replaced[1]


def test_each_disk_comes_back_when_an_undo_is_undone(herocloud, replaced) -> None:
    herocloud.done("undo", "-y")
    assert _content(herocloud) == replaced[0]
    herocloud.done("undo", "-y")
    assert _content(herocloud) == replaced[1]


def test_a_rolled_back_undo_can_be_tried_again(herocloud, misbehave, replaced) -> None:
    misbehave("{address: vm.web, step: vm.boot, times: 1, fail: no luck}")
    herocloud("undo", "-y", "--on-failure", "rollback")
    herocloud.done("undo", "-y")
    assert _content(herocloud) == replaced[0]
    assert _power(herocloud) == "running"


def test_a_failed_undo_names_the_way_out_and_it_works(herocloud, misbehave, replaced) -> None:
    misbehave("{address: vm.web, step: vm.boot, times: 1, fail: no luck}")
    failed = herocloud("undo", "-y")
    assert failed.code == 13
    assert "Remove the cause; `herocloud undo apply-3` takes it back, and then the same undo can be tried again" in failed.both
    assert "`herocloud apply`" not in failed.both, "the stack file at hand asks for the opposite"
    herocloud.done("undo", "apply-3", "-y")
    assert _content(herocloud) == replaced[1]
    herocloud.done("undo", "apply-2", "-y")
    assert (_content(herocloud), _power(herocloud)) == (replaced[0], "running")
