"""A guest that is paused takes part in nothing: what a plan makes of a change that needs it, and in which order it is done."""

import json
from typing import Any

import pytest

from herocloud.model import guest_agreement
from herocloud.providers.simulator import tamper

STACK = """\
stack: shop
images: {tiny: {kernel: ./vmlinuz}}
networks: {lan: {cidr: 10.42.0.0/24}, more: {cidr: 10.43.0.0/24}}
volumes: {data: {size: 1 GiB}, logs: {size: 1 GiB}}
vms:
  web: {image: tiny, memory: 1 GiB, vcpus: 2, cpu: {max: 4}, memory_options: {hotplug: 1 GiB},
        volumes: [data], networks: [lan], state: paused}
"""
PAUSED = "needs a power-cycle: a paused guest cannot take part (live once it is resumed)"


@pytest.fixture
def site(herocloud: Any) -> Any:
    (herocloud.data_folder / "host.yaml").write_text("name: node1\nsimulated: {memory: 9 GiB, disk: 100 GiB, cpus: 8}\n", encoding="utf-8")
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    return herocloud


def _edit(site: Any, *pairs: tuple[str, str]) -> None:
    text = STACK
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    site.write(text)


def _steps(site: Any) -> list[str]:
    plan = json.loads(site.done("plan", "--json").out)
    return [step["kind"] for step in plan["steps"] if step["kind"].startswith("vm.")]


def _settled(site: Any, state: str) -> None:
    site.done("apply", "-y")
    assert "No changes." in site.done("plan").out
    assert "No drift." in site.done("drift").out
    assert json.loads(site.done("vm", "show", "web", "--json").out)["parts"]["power"] == state


ASKED = [
    ("memory: 1 GiB", "memory: 2 GiB"),
    ("vcpus: 2", "vcpus: 1"),
    ("volumes: [data]", "volumes: []"),
    ("volumes: [data]", "volumes: [{volume: data, readonly: true}]"),
    ("networks: [lan]", "networks: []"),
]
NOT_ASKED = [
    ("vcpus: 2", "vcpus: 3"),
    ("volumes: [data]", "volumes: [data, logs]"),
    ("networks: [lan]", "networks: [lan, more]"),
    ("networks: [lan]", "networks: [{network: lan, rate: {download: 10 Mbit/s}}]"),
    ("data: {size: 1 GiB}", "data: {size: 2 GiB}"),
    ("hotplug: 1 GiB", "hotplug: 1 GiB, balloon: 512 MiB"),
    ("image: tiny", "image: tiny, labels: {tier: front}"),
]


@pytest.mark.parametrize("edit", ASKED)
def test_a_guest_that_stays_paused_gets_it_by_a_power_cycle(site: Any, edit: tuple[str, str]) -> None:
    _edit(site, edit)
    shown = " ".join(site.done("plan").out.split())
    assert "1 to reboot" in shown
    assert PAUSED in shown
    kinds = _steps(site)
    assert (kinds[0], kinds[-2:]) == ("vm.stop", ["vm.boot", "vm.pause"])
    _settled(site, "paused")


@pytest.mark.parametrize("edit", NOT_ASKED)
def test_what_needs_no_guest_stays_live(site: Any, edit: tuple[str, str]) -> None:
    _edit(site, edit)
    shown = site.done("plan").out
    assert "update live" in shown
    assert "power-cycle" not in shown
    _settled(site, "paused")


@pytest.mark.parametrize("edit", ASKED)
def test_a_guest_that_is_resumed_goes_on_first(site: Any, edit: tuple[str, str]) -> None:
    _edit(site, edit, ("state: paused", "state: running"))
    assert "update live" in site.done("plan").out
    assert _steps(site)[0] == "vm.resume"
    _settled(site, "running")


@pytest.mark.parametrize("edit", ASKED)
def test_a_guest_that_is_to_be_paused_is_paused_last(site: Any, edit: tuple[str, str]) -> None:
    site.done("vm", "resume", "web", "-q")
    _edit(site, edit)
    shown = site.done("plan").out
    assert "1 to stop" in shown
    assert "power-cycle" not in shown
    assert _steps(site)[-1] == "vm.pause"
    _settled(site, "paused")


@pytest.mark.parametrize("edit", ASKED)
def test_a_vm_that_is_to_be_down_changes_once_it_is_down(site: Any, edit: tuple[str, str]) -> None:
    _edit(site, edit, ("state: paused", "state: stopped"))
    shown = site.done("plan").out
    assert "1 to stop" in shown
    assert PAUSED not in " ".join(shown.split())
    assert _steps(site)[0] == "vm.stop"
    _settled(site, "stopped")


def test_a_vm_that_somebody_else_paused_goes_on_first(site: Any) -> None:
    _edit(site, ("state: paused", "state: running"))
    site.done("apply", "-y", "-q")
    assert tamper.main([str(site.data_folder), "vm.web", "pause"]) == 0
    _edit(site, ("state: paused", "state: running"), ("memory: 1 GiB", "memory: 2 GiB"))
    assert _steps(site)[:2] == ["vm.resume", "vm.resize"]
    _settled(site, "running")


def test_drift_that_a_paused_guest_would_have_to_take_part_in_says_why_it_is_down(site: Any) -> None:
    assert tamper.main([str(site.data_folder), "vm.web", "set-memory", "2 GiB"]) == 0
    shown = " ".join(site.done("plan").out.split())
    assert "1 to reboot" in shown
    assert PAUSED in shown
    _settled(site, "paused")


def test_a_rollback_says_what_a_paused_guest_cannot_give_back(site: Any, misbehave: Any) -> None:
    misbehave("{step: vm.update, address: vm.web, fail: the host is on fire}")
    _edit(site, ("vcpus: 2", "vcpus: 3"), ("image: tiny", "image: tiny, labels: {tier: front}"))
    ran = site("apply", "-y", "--on-failure", "rollback")
    assert ran.code != 0
    assert "`vm.web` is paused, so its guest cannot" in " ".join(ran.both.split())
    assert "`herocloud vm resume vm.web`" in " ".join(ran.both.split())


def test_it_is_asked_by_names_of_fields_and_of_values_alike() -> None:
    use = {"volume": "data", "readonly": False, "size": 1}
    assert not guest_agreement.is_asked("volumes", [use], [{**use, "size": 2}])
    assert guest_agreement.is_asked("volumes", [use], [{**use, "readonly": True}])
    assert not guest_agreement.is_asked("networks", ["nic.0"], ["nic.0", "nic.1"])
    assert guest_agreement.is_asked("mycelium", {"slot": 0}, None)
    assert not guest_agreement.is_asked("mycelium", None, {"slot": 0})
    assert not guest_agreement.is_asked("networks.lan.rate", None, {"download": 1})


def test_ports_that_the_overlay_may_reach_are_closed_without_the_guest(site: Any) -> None:
    opened = STACK.replace("state: paused", "state: paused, mycelium: {open: [80, 443]}") + 'mycelium: {peers: ["tcp://192.0.2.1:9651"]}\n'
    site.write(opened)
    site.done("apply", "-y")
    site.write(opened.replace("80, 443", "80"))
    said = site.done("plan").out
    assert "~ vm.web   update live   mycelium.open[1] 443/tcp → none\n" in said
    assert PAUSED not in said


@pytest.mark.parametrize("name", ["gateway", "size", "lan"])
def test_a_device_may_be_called_like_a_field(name: str) -> None:
    for kind in ("networks", "volumes"):
        assert guest_agreement.plugs(f"{kind}.{name}")
        assert guest_agreement.is_asked(f"{kind}.{name}", {"slot": 0}, None)
        assert not guest_agreement.plugs(f"{kind}.{name}.size")
