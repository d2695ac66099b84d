"""An undo brings back what was half made or stopped as it was, and its plan and its result say so."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from herocloud.providers.simulator import tamper

STACK = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
defaults: {image: debian, memory: 1 GiB}
vms:
  db: {}
  web: {depends_on: [vm.db]}
"""
DOWN = "it stays down, as it was: `herocloud apply` starts it"
HALF = "it is half made, as it was: `herocloud apply` makes the rest"


def _states(herocloud: Any) -> dict[str, str]:
    return {vm["address"]: vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]}


@pytest.fixture(name="destroyed")
def _destroyed(herocloud: Any, misbehave: Callable[[str], None]) -> Any:
    """Return the command after an apply that failed at its first boot, and a `destroy` of what it had made."""
    herocloud.write(STACK)
    misbehave("{step: vm.boot, address: vm.db, times: 1, fail: panicked}")
    assert herocloud("apply", "-y", "-q").code == 13
    herocloud.done("destroy", "-y", "-q")
    return herocloud


def test_the_plan_says_what_comes_back_stopped_and_what_half_made(destroyed: Any) -> None:
    text = " ".join(destroyed("undo").out.split())
    assert f"comes back; {DOWN}" in text
    assert f"comes back; {HALF}" in text


def test_the_result_names_what_is_not_finished_and_how_to_go_on(destroyed: Any) -> None:
    undone = destroyed.done("undo", "-y")
    assert "Not finished, as before: vm.db, vm.web. `herocloud plan` shows" in undone.out
    assert _states(destroyed) == {"vm.db": "stopped", "vm.web": "gone"}
    promised = next(line for line in undone.out.splitlines() if line.startswith("Slices"))
    assert f"{promised.partition(' · ')[0].replace('0 → ', '')} · RAM 2 GiB" in destroyed("plan").out
    destroyed.done("apply", "-y")
    assert _states(destroyed) == {"vm.db": "running", "vm.web": "running"}


def test_what_comes_back_whole_is_said_to_lack_nothing(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    herocloud.done("destroy", "-y", "-q")
    undone = herocloud.done("undo", "-y")
    assert ("as it was" in undone.out, "Not finished" in undone.out) == (False, False)
    assert _states(herocloud) == {"vm.db": "running", "vm.web": "running"}


def test_a_vm_that_had_stopped_itself_comes_back_stopped_and_the_plan_says_so(herocloud: Any) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    tamper.main([str(herocloud.data_folder), "vm.web", "stop"])
    herocloud.done("destroy", "-y", "-q")
    text = " ".join(herocloud.done("undo", "-y").out.split())
    assert text.count(DOWN) == 1
    assert _states(herocloud) == {"vm.db": "running", "vm.web": "stopped"}
