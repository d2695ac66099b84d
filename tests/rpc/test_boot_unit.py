"""The command of the unit that starts VMs at boot, on a host that boots: what it brings back, and what it leaves alone."""

import json
import os
import pwd
from typing import Any

import pytest

from herocloud.providers.simulator import world
from herocloud.state import holders

STACK = """\
stack: shop
images: {tiny: {kernel: ./vmlinuz}}
vms:
  web: {image: tiny, memory: 1 GiB}
  idle: {image: tiny, memory: 1 GiB}
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
    assert sorted(path.name for path in (shop.folder / "units").iterdir()) == ["herocloud-boot.service", "herocloud.service"]
    reboot(shop, monkeypatch, "the next boot")
    shop.done("daemon", "run", "--boot-only")
    assert powers(shop) == {"vm.web": "running", "vm.idle": "stopped"}


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


def test_units_written_again_after_a_boot_do_not_make_it_forgotten(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.done("daemon", "install", "--units", "units")
    reboot(shop, monkeypatch, "the next boot")
    shop.done("daemon", "install", "--units", "units")
    shop.done("daemon", "run", "--boot-only")
    assert powers(shop)["vm.web"] == "running"
