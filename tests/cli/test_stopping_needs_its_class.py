"""Stopping or pausing a VM that runs is an action and a class of its own, with its downtime named."""

import json

STACK = """\
stack: shop
images:
  tiny: {{kernel: ./vmlinuz}}
vms:
  web: {{image: tiny, memory: 1 GiB{more}}}
"""


def _power(herocloud) -> str:
    return json.loads(herocloud.done("vm", "list", "--json").out)["vms"][0]["state"]


def _running(herocloud, more: str) -> None:
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(more=""))
    herocloud.done("apply", "-y")
    herocloud.write(STACK.format(more=more))


def test_stopping_is_not_an_update(herocloud) -> None:
    _running(herocloud, ", state: stopped")
    ran = herocloud("apply", "--approve", "update")
    assert ran.code == 12, ran.both
    assert "stop: `vm.web`" in ran.err
    assert _power(herocloud) == "running"
    herocloud.done("apply", "--approve", "stop")
    assert _power(herocloud) == "stopped"


def test_the_plan_says_that_it_stays_down(herocloud) -> None:
    _running(herocloud, ", state: stopped")
    text = herocloud.done("plan").out
    assert "! vm.web   stop   state running → stopped (stays down)" in text
    assert "0 to change, 1 to stop," in text
    assert "; vm.web stays down." in text
    (change,) = [one for one in json.loads(herocloud.done("plan", "--json").out)["resource_changes"] if one["address"] == "vm.web"]
    assert (change["action"], change["impact"], change["change"]["actions"]) == ("stop", "stop", ["update"])
    assert change["downtime_seconds"] is None


def test_pausing_is_stopping_too(herocloud) -> None:
    _running(herocloud, ", state: paused")
    assert herocloud("apply", "--approve", "update").code == 12
    herocloud.done("apply", "--approve", "stop")
    assert _power(herocloud) == "paused"


def test_starting_is_an_update(herocloud) -> None:
    _running(herocloud, ", state: stopped")
    herocloud.done("apply", "--approve", "stop")
    herocloud.write(STACK.format(more=""))
    herocloud.done("apply", "--approve", "update")
    assert _power(herocloud) == "running"


def test_the_command_that_stops_one_vm_is_its_own_consent(herocloud) -> None:
    _running(herocloud, "")
    herocloud.done("vm", "stop", "vm.web")
    assert _power(herocloud) == "stopped"
