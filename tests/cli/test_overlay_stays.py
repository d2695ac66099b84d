"""A command about one VM leaves its place on the overlay alone: address, key, peers and open ports."""

import json
from pathlib import Path
from typing import Any

import pytest

STACK = """\
stack: shop
defaults: {image: tiny, memory: 256 MiB}
images: {tiny: {kernel: ./vmlinuz, initramfs: ./initramfs}}
networks: {lan: {cidr: 10.42.0.0/24, nat: true}}
"""
HOST_MODE = STACK + "vms: {web: {mycelium: {open: [80, 53/udp]}}}\n"
NETWORK_MODE = STACK + "mycelium: {mode: network}\nvms: {web: {mycelium: {open: [80]}}}\n"
GUEST_MODE = (
    STACK.replace("./initramfs", "./initramfs, nocloud: true")
    + """\
mycelium: {mode: guest, peers: ["tcp://192.0.2.1:9651"]}
vms: {web: {networks: [lan], mycelium: true}}
"""
)
KEYS = {"host": bytes(range(32)), "shop": bytes(range(1, 33)), "shop.web": bytes(range(2, 34))}


@pytest.fixture(params=[HOST_MODE, NETWORK_MODE, GUEST_MODE], ids=["host", "network", "guest"])
def applied(herocloud: Any, request: pytest.FixtureRequest) -> Any:
    for name in ("vmlinuz", "initramfs"):
        (herocloud.folder / name).touch()
    for name, private in KEYS.items():
        _put_key(herocloud.data_folder, name, private)
    herocloud.write(request.param)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def _put_key(folder: Path, name: str, private: bytes) -> None:
    path = folder / "mycelium/keys" / f"{name}.key"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(private)
    path.chmod(0o600)


def _overlay(herocloud: Any) -> Any:
    return json.loads(herocloud("state", "show", "vm.web", "--json").out)["spec"]["mycelium"]


def test_power_commands_leave_the_overlay_of_a_vm_alone(applied: Any) -> None:
    before = _overlay(applied)
    assert before["address"]
    for command in ("restart", "stop", "start", "pause", "resume"):
        ran = applied("vm", command, "web")
        assert ran.code == 0, ran.both
        assert _overlay(applied) == before, command
    assert applied("plan", "--detailed-exitcode").code == 0
