"""Networks are bridges or in user mode: who asked for which, where neither can be had, and what user mode does not do."""

import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.model.hosts import Abilities
from herocloud.providers import registry

THIRD = """\
from herocloud.providers.user_network import DECLARATION as known
network = known.network._replace(mode="third", kind="in a third way", made="somewhere")
DECLARATION = known._replace(name="third_network", network=network)
"""
VALIDATE = """\
import sys
from herocloud.providers import registry
registry.PROVIDERS.append("third_network")
from herocloud.cli import entry
sys.argv = ["herocloud", "validate"]
sys.exit(entry.main())
"""


@pytest.fixture
def third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register a third provider of networks by its line; returns the folder of its package."""
    (tmp_path / "third_network.py").write_text(THIRD, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "PROVIDERS", [*registry.PROVIDERS, "third_network"])
    return tmp_path


def _found(plan):
    return {found.code: found for found in plan.diagnostics}


def _real(build, networks="network", why=""):
    return build.host()._replace(simulated=False, abilities=Abilities((("qemu", True, "ready"),), networks, why))


def _networks(plan):
    return {step.provider for step in plan.steps if step.kind.startswith(("network", "tap"))}


def test_a_stack_that_asks_for_user_mode_gets_it_everywhere_and_is_told_what_it_means(build, pretend) -> None:
    desired = build.desired(build.image(), build.network("lan", mode="user"), build.vm("web", networks=["lan"]))
    plan = pretend.World().plan(desired, _real(build))
    assert _networks(plan) == {"user_network"}
    said = _found(plan)["networks-chosen"].detail
    assert "the stack says `mode: user`" in said
    assert "do not reach each other" in said


def test_a_stack_that_asks_for_bridges_is_refused_where_they_cannot_be_made(build, pretend) -> None:
    desired = build.desired(build.network("lan", mode="bridge"))
    plan = pretend.World().plan(desired, _real(build, "user_network", "no CAP_NET_ADMIN here"))
    assert not plan.applyable
    found = _found(plan)["no-bridges"]
    assert "`network.lan` says `mode: bridge`: no CAP_NET_ADMIN here" in found.detail
    assert "write `mode: user`" in str(found.hint)
    assert pretend.World().plan(desired, _real(build)).applyable


def test_one_stack_has_one_kind(build, pretend) -> None:
    desired = build.desired(build.network("lan", mode="user"), build.network("dmz", cidr="10.43.0.0/24", mode="bridge"))
    found = _found(pretend.World().plan(desired, _real(build)))["mixed-networks"]
    assert found.detail.startswith("`network.lan` says `mode: user` and `network.dmz` says `mode: bridge`; ")


@pytest.mark.parametrize(("one", "other"), [("third", "bridge"), ("user", "third"), ("bridge", "third")])
def test_a_third_kind_is_none_of_the_two(build, pretend, third, one, other) -> None:
    desired = build.desired(build.network("lan", mode=one), build.network("dmz", cidr="10.43.0.0/24", mode=other))
    found = _found(pretend.World().plan(desired, _real(build)))["mixed-networks"]
    assert f"says `mode: {one}`" in found.detail
    assert f"says `mode: {other}`" in found.detail


def test_a_third_kind_is_planned_and_its_words_are_its_own(build, pretend, third) -> None:
    desired = build.desired(build.network("lan", mode="third"), build.image(), build.vm("web", networks=["lan"]))
    plan = pretend.World().plan(desired, _real(build))
    assert _networks(plan) == {"third_network"}
    assert _found(plan)["networks-chosen"].summary == "Networks in a third way"
    world = pretend.run(pretend.World(), plan, _real(build))
    closed = build.desired(build.network("lan", mode="third", nat=False), build.image(), build.vm("web", networks=["lan"]))
    found = _found(world.plan(closed, _real(build)))["network-fixed-at-start"]
    assert found.summary == "Network of a running VM cannot be changed in a third way"


def test_a_third_kind_is_a_word_of_the_stack_file(tmp_path: Path, third: Path, clean_environment, monkeypatch) -> None:
    (tmp_path / "stack.yaml").write_text("stack: shop\nnetworks: {lan: {cidr: 10.42.0.0/24, mode: third}}\n", encoding="utf-8")
    monkeypatch.setenv("HEROCLOUD_DATA_DIR", str(tmp_path / "data"))
    words = [sys.executable, "-c", "import sys; sys.path.insert(0, '.')\n" + VALIDATE]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_networks_that_exist_keep_their_kind(build, pretend) -> None:
    host = _real(build)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.network("lan")), host), host)
    plan = world.plan(build.desired(build.network("lan", mode="user")), host)
    assert "made by `network`" in _found(plan)["network-kind-kept"].detail
    assert not plan.applyable
    assert world.plan(build.desired(build.network("lan", mode="bridge")), host).applyable


def test_a_rate_is_refused_in_user_mode(build, pretend) -> None:
    nic = {"network": "lan", "rate": {"download": 1000, "upload": None}}
    desired = build.desired(build.image(), build.network("lan", mode="user"), build.vm("web", networks=[nic]))
    found = _found(pretend.World().plan(desired, _real(build)))["not-supported-yet"]
    assert "a network in user mode has no `rate` (here on `lan`)" in found.detail


def test_ports_of_a_running_vm_change_only_when_it_is_off(build, pretend) -> None:
    def desired(*ports, **vm):
        forwards = [{"host_port": port, "vm": "vm.web", "port": 80, "protocol": "tcp"} for port in ports]
        return build.desired(build.image(), build.network("lan", mode="user", forward=forwards), build.vm("web", networks=["lan"], **vm))

    host = _real(build)
    world = pretend.run(pretend.World(), pretend.World().plan(desired(8080), host), host)
    assert world.plan(desired(8080), host).steps == ()
    plan = world.plan(desired(8080, 8081), host)
    assert _found(plan)["forwards-at-start"].hint == "`herocloud vm stop vm.web`, apply, and `herocloud vm start vm.web`"
    off = pretend.run(world, world.plan(desired(8080, state="stopped"), host), host)
    assert off.plan(desired(8080, 8081, state="stopped"), host).applyable


def test_a_way_out_changes_only_when_the_vms_on_it_are_off(build, pretend) -> None:
    def desired(*, nat: bool, **vm):
        return build.desired(build.image(), build.network("lan", mode="user", nat=nat), build.vm("web", networks=["lan"], **vm))

    host = _real(build)
    world = pretend.run(pretend.World(), pretend.World().plan(desired(nat=False), host), host)
    plan = world.plan(desired(nat=True), host)
    assert not plan.applyable
    assert "its guest is down that long" in (_found(plan)["network-fixed-at-start"].hint or "")
    off = pretend.run(world, world.plan(desired(nat=False, state="stopped"), host), host)
    assert off.plan(desired(nat=True, state="stopped"), host).applyable
