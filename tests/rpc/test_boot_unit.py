"""The command of the unit that starts VMs at boot, on a host that boots: what it brings back, and what it leaves alone."""

import json
import os
import pwd
from typing import Any

import pytest

from herocloud.operations import host_boot
from herocloud.providers.simulator import world
from herocloud.rpc.supervision import boot_run
from herocloud.state import holders

STACK = """\
stack: shop
images: {tiny: {kernel: ./vmlinuz}}
networks: {lan: {cidr: 10.42.0.0/24}}
vms:
  web: {image: tiny, memory: 1 GiB}
  idle: {image: tiny, memory: 1 GiB, networks: [lan]}
"""


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Return a runner beside a stack of two VMs, of which one is stopped."""
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    herocloud.done("vm", "stop", "idle")
    return herocloud


def reboot(shop: Any, monkeypatch: pytest.MonkeyPatch, boot: str) -> None:
    """Take the power of every VM, and give the host the identity of another boot."""
    world.set_power(shop.data_folder, "vm.web", "stopped", "shop")
    monkeypatch.setattr(holders, "read_boot_id", lambda *_: boot)


def powers(shop: Any) -> dict[str, str]:
    return {vm["address"]: vm["state"] for vm in json.loads(shop.done("--json", "vm", "list").out)["vms"]}


def test_the_first_boot_after_the_units_were_written_brings_vms_back(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = shop.done("daemon", "install", "--units", "units").out
    assert "systemctl enable" in said
    assert sorted(path.name for path in (shop.folder / "units").iterdir()) == [
        "herocloud-boot.service",
        "herocloud-shutdown.service",
        "herocloud.service",
        "herocloud.socket",
    ]
    reboot(shop, monkeypatch, "the next boot")
    shop.done("daemon", "run", "--boot-only")
    assert powers(shop) == {"vm.web": "running", "vm.idle": "stopped"}


def test_a_boot_brings_vms_back_that_no_daemon_and_no_unit_knew_of_before(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reboot(shop, monkeypatch, "the next boot")
    assert "brought back vm.web" in shop.done("daemon", "run", "--boot-only").err
    assert powers(shop) == {"vm.web": "running", "vm.idle": "stopped"}


def test_what_was_applied_in_this_boot_is_not_brought_back(shop: Any) -> None:
    world.set_power(shop.data_folder, "vm.web", "stopped", "shop")
    assert "has not booted" in shop.done("daemon", "run", "--boot-only").err
    assert powers(shop)["vm.web"] == "stopped"


def test_the_state_log_says_who_brought_them_back(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    shop.done("daemon", "run", "--boot-only")
    newest = json.loads(shop.done("--json", "state", "log").out)["history"][0]
    assert [newest[name] for name in ("stack", "operation", "outcome", "changed")] == ["shop", "boot", "done", 1]
    # No daemon has run here.
    assert (newest["user"], newest["command"]) == (pwd.getpwuid(os.getuid()).pw_name, "daemon run --boot-only")


def test_a_boot_brings_vms_back_once(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    assert "brought back vm.web" in shop.done("daemon", "run", "--boot-only").err
    world.set_power(shop.data_folder, "vm.web", "stopped", "shop")
    assert "has not booted" in shop.done("daemon", "run", "--boot-only").err
    assert powers(shop)["vm.web"] == "stopped"


def test_what_lost_its_card_and_stays_off_is_not_said_to_be_back(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    world.remove_part(shop.data_folder, "vm.idle", "nic.0", "shop")
    assert "stack shop: brought back vm.web; vm.idle stayed off" in shop.done("daemon", "run", "--boot-only").err
    assert powers(shop) == {"vm.web": "running", "vm.idle": "stopped"}


def test_one_that_does_not_start_is_said_with_the_reason(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    (shop.data_folder / "scenario.yaml").write_text("rules: [{address: vm.web, fail: no power}]\n")
    with (shop.data_folder / "host.yaml").open("a") as stream:
        stream.write("simulator: {scenario: ./scenario.yaml}\n")
    ran = shop("daemon", "run", "--boot-only")
    assert ran.code == 1
    assert "stack shop: not all of it was brought back: vm.web: no power" in ran.err
    assert "brought back vm.web" not in ran.err


def test_somebody_who_was_there_first_gets_the_credit(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    plan = host_boot.plan_boot
    looks: list[str] = []

    def late(folder: Any, stack: Any) -> Any:
        planned = plan(folder, stack)
        looks.append(stack)
        if len(looks) == 1:
            monkeypatch.setattr(host_boot, "plan_boot", plan)
            boot_run.bring_back(folder, lambda _text: None)
        return planned

    monkeypatch.setattr(host_boot, "plan_boot", late)
    assert "stack shop: somebody else has brought it back meanwhile" in shop.done("daemon", "run", "--boot-only").err
    history = json.loads(shop.done("--json", "state", "log").out)["history"]
    assert [entry["user"] for entry in history if entry["operation"] == "boot"] == ["daemon"]


def test_units_written_again_after_a_boot_do_not_make_it_forgotten(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    shop.done("daemon", "install", "--units", "units")
    shop.done("daemon", "run", "--boot-only")
    assert powers(shop)["vm.web"] == "running"
