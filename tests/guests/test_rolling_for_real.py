"""Rolling on a real host: the next instance waits until the agent of the one before answers; where no guest has one, for a while."""

import json
from typing import Any

import pytest
from stand_in_host import play

from herocloud.providers.guests import readiness

STACK = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0}}}}
vms: {{web: {{count: 2, image: tiny, memory: 64 MiB{more}}}}}
"""
REBOOT = ", memory_options: {hotplug: 0}"


@pytest.fixture
def shop(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a block of two; what takes minutes takes seconds here."""
    monkeypatch.setattr(readiness, "SETTLED", 2.0)
    monkeypatch.setattr(readiness, "LONGEST", 4.0)
    for name in ("vmlinuz", "initramfs"):
        stand_in.write("not a kernel", name)
    (stand_in.data_folder / "host.yaml").write_text("name: node1\nqemu: {accelerator: kvm}\n", encoding="utf-8")
    stand_in.write(STACK.format(more=""))
    return stand_in


def _rebooted(herocloud: Any) -> set[str]:
    """Return the instances that have no room to grow any more."""
    records = [json.loads(herocloud.done("state", "show", f"vm.web[{number}]", "--json").out) for number in (0, 1)]
    return {one["address"] for one in records if one["parts"]["machine"]["hotplug"] == 0}


def _states(herocloud: Any) -> list[str]:
    return [vm["state"] for vm in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]]


def test_a_guest_that_answers_lets_the_next_one_go(shop) -> None:
    shop.done("apply", "-y", "-q")
    shop.write(STACK.format(more=REBOOT))
    shop.done("apply", "-y", "-q")
    assert _rebooted(shop) == {"vm.web[0]", "vm.web[1]"}
    assert "No changes." in shop.done("plan").out


def test_a_guest_that_does_not_answer_while_others_do_ends_the_roll(shop) -> None:
    shop.done("apply", "-y", "-q")
    play("mute")
    shop.write(STACK.format(more=REBOOT))
    ran = shop("apply", "-y")
    assert ran.code == 13, ran.both
    assert "`vm.web[0]` runs and is not ready: its agent has not answered" in ran.err
    assert "that of `vm.web[1]` does; the roll stops here" in ran.err
    assert (_rebooted(shop), _states(shop)) == ({"vm.web[0]"}, ["running", "running"])
    play("fine")
    shop.done("vm", "restart", "web[0]")
    shop.done("apply", "-y", "-q")
    assert _rebooted(shop) == {"vm.web[0]", "vm.web[1]"}


def test_guests_without_an_agent_are_ready_after_a_while(shop) -> None:
    play("mute")
    shop.done("apply", "-y", "-q")
    shop.write(STACK.format(more=REBOOT))
    shop.done("apply", "-y", "-q")
    assert _rebooted(shop) == {"vm.web[0]", "vm.web[1]"}


def test_a_guest_that_crashes_ends_the_roll_at_once(shop) -> None:
    shop.done("apply", "-y", "-q")
    play("crash")
    shop.write(STACK.format(more=REBOOT))
    ran = shop("apply", "-y")
    assert ran.code == 13, ran.both
    assert "its hypervisor stopped it with an internal error" in ran.err
    assert _rebooted(shop) == {"vm.web[0]"}
    assert "running" in _states(shop)
