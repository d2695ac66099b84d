"""Networks are bridges or in user mode: who asked for which, where neither can be had, and what user mode does not do."""

from herocloud.model.hosts import Abilities


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
    assert "no CAP_NET_ADMIN here" in _found(plan)["no-bridges"].detail
    assert pretend.World().plan(desired, _real(build)).applyable


def test_one_stack_has_one_kind(build, pretend) -> None:
    desired = build.desired(build.network("lan", mode="user"), build.network("dmz", cidr="10.43.0.0/24", mode="bridge"))
    assert "mixed-networks" in _found(pretend.World().plan(desired, _real(build)))


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
