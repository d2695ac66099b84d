"""Which provider runs what, and what is said of those that are not here."""

from herocloud.model.hosts import Abilities
from herocloud.model.words import Action, Reason
from herocloud.model.worlds import Thing
from herocloud.plan import assignment
from herocloud.views import phrases


def _codes(plan):
    return [found.code for found in plan.diagnostics]


def test_auto_on_a_simulated_host_is_the_simulator_without_a_word(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), build.host())
    assert (_codes(plan), plan.simulated) == ([], True)


def test_auto_on_a_real_host_says_what_it_chose_and_why(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), _real(build, ("qemu", True, "with TCG: there is no KVM")))
    assert _codes(plan) == ["hypervisor-chosen"]
    assert plan.diagnostics[0].detail == "`hypervisor: auto` chose `qemu` on host `node1`: with TCG: there is no KVM."
    assert {step.provider for step in plan.steps} == {"images", "qemu"}
    assert plan.applyable
    assert not plan.simulated


def test_a_host_that_runs_nothing_names_every_hypervisor_with_what_it_lacks(build, pretend) -> None:
    missing = (("cloud-hypervisor", False, "the program `cloud-hypervisor` is missing"), ("qemu", False, "QEMU is missing"))
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), _real(build, *missing))
    said = "this host has none: `cloud-hypervisor`: the program `cloud-hypervisor` is missing; `qemu`: QEMU is missing."
    assert plan.diagnostics[0].detail.endswith(said)


def test_auto_stays_what_it_was_decided_to_be(build, pretend) -> None:
    desired, host = build.desired(build.image(), build.vm("web")), _real(build, ("qemu", True, "ready"))
    world = pretend.run(pretend.World(), pretend.World().plan(desired, host), host)
    again = world.plan(desired, _real(build, ("qemu", False, "it is gone")))
    assert (_codes(again), again.steps) == ([], ())


def test_a_real_host_that_runs_nothing_says_why(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), _real(build, ("qemu", False, "QEMU is missing")))
    assert _codes(plan) == ["no-hypervisor"]
    assert "QEMU is missing" in plan.diagnostics[0].detail
    assert not plan.applyable


_FIRMWARE = (("cloud-hypervisor", "firmware", "no UEFI firmware was found"),)
_BOTH = (("cloud-hypervisor", True, "v53.0 with KVM"), ("qemu", True, "with KVM"))


def test_auto_takes_cloud_hypervisor_first_where_guests_get_through_kvm(build, pretend) -> None:
    host = build.host()._replace(simulated=False, abilities=Abilities(_BOTH, accelerated=("cloud-hypervisor", "qemu")))
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), host)
    assert {step.provider for step in plan.steps} == {"images", "cloud-hypervisor"}


def test_auto_passes_over_cloud_hypervisor_where_kvm_is_not_proven(build, pretend) -> None:
    desired, host = build.desired(build.image(), build.vm("web")), build.host()._replace(simulated=False, abilities=Abilities(_BOTH))
    passed_over = pretend.World().plan(desired, host)
    assert {step.provider for step in passed_over.steps} == {"images", "qemu"}
    assert passed_over.diagnostics[0].detail.endswith("chose `qemu` on host `node1`: with KVM; not `cloud-hypervisor`: v53.0 with KVM.")
    alone = host._replace(abilities=Abilities(_BOTH[:1]))
    plan = pretend.World().plan(desired, alone)
    assert _codes(plan) == ["no-hypervisor"]
    assert "v53.0 with KVM" in plan.diagnostics[0].detail
    named = build.desired(build.image(), build.vm("web", hypervisor="cloud-hypervisor"), build.vm("db", hypervisor="cloud-hypervisor"))
    plan = pretend.World().plan(named, alone)
    assert (_codes(plan), plan.applyable) == (["kvm-not-proven"], True)
    assert plan.diagnostics[0].address is None, "it is about both"
    assert plan.diagnostics[0].detail.startswith("VMs here ask for `hypervisor: cloud-hypervisor`")


def test_a_vm_that_its_hypervisor_gave_up_boots_again_on_what_the_host_has(build, pretend) -> None:
    host = build.host()._replace(simulated=False, abilities=Abilities(_BOTH, accelerated=("cloud-hypervisor", "qemu")))
    said = {}
    for name in ("cloud-hypervisor", "qemu"):
        desired = build.desired(build.image(), build.vm("web", hypervisor=name))
        world = pretend.run(pretend.World(), pretend.World().plan(desired, host), host)
        things = dict(world.observed.things["shop"])
        things["vm.web"] = things["vm.web"]._replace(parts={**things["vm.web"].parts, "power": "crashed"})
        plan = world._replace(observed=world.observed._replace(things={"shop": things})).plan(desired, host)
        [change] = plan.changing
        assert (change.action, change.reason) == (Action.REBOOT, Reason.CRASHED)
        said[name] = change.note
    assert said == {"cloud-hypervisor": "boots again on v53.0 with KVM", "qemu": "boots again with KVM"}
    assert "its guest panicked" in phrases.REASONS[Reason.CRASHED]


def test_a_disk_that_boots_by_itself_needs_firmware_and_a_kernel_does_not(build, pretend) -> None:
    able = Abilities(_BOTH, accelerated=("cloud-hypervisor", "qemu"), lacking=_FIRMWARE)
    host = build.host()._replace(simulated=False, abilities=able)
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), host)
    assert {step.provider for step in plan.steps} == {"images", "qemu"}
    named = build.desired(build.image(), build.vm("web", hypervisor="cloud-hypervisor"))
    (found,) = pretend.World().plan(named, host).diagnostics
    assert (found.code, found.address) == ("missing-on-host", "vm.web")
    assert "no UEFI firmware was found" in found.detail


def test_what_was_made_on_the_simulator_is_not_joined_by_real_vms(build, pretend) -> None:
    desired, host = build.desired(build.image(), build.vm("web")), _real(build, ("qemu", True, "ready"))
    world = pretend.run(pretend.World(), pretend.World().plan(desired, host, hypervisor="simulator"), host)
    more = build.desired(build.image(), build.vm("web"), build.vm("db"))
    assert world.plan(more, host).simulated
    assert _codes(world.plan(more, host, hypervisor="qemu")) == ["mixed-hypervisors"]


def test_a_stack_without_vms_is_made_for_real_on_a_real_host(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.network("lan")), build.host()._replace(simulated=False))
    assert [(step.kind, step.provider) for step in plan.steps] == [("network.create", "network")]


def test_networks_in_user_mode_are_chosen_with_a_note_where_bridges_cannot_be_made(build, pretend) -> None:
    host = build.host()._replace(simulated=False, abilities=Abilities((), "user_network", "no CAP_NET_ADMIN here"))
    plan = pretend.World().plan(build.desired(build.network("lan")), host)
    assert ([step.provider for step in plan.steps], _codes(plan)) == (["user_network"], ["networks-chosen"])
    gone = pretend.run(pretend.World(), plan, host).plan(build.desired(), build.host()._replace(simulated=False))
    assert [(step.kind, step.provider) for step in gone.steps] == [("network.delete", "user_network")]


def test_a_real_host_that_cannot_have_the_overlay_says_why(build, pretend) -> None:
    asked = build.desired(build.image(), build.vm("web", mycelium={"seed": None}))
    host = _real(build, ("qemu", True, "ready"))
    assert "overlay-unusable" not in _codes(pretend.World().plan(asked, host))
    host = host._replace(abilities=host.abilities._replace(overlay="the overlay needs CAP_NET_ADMIN, which this user does not have"))
    plan = pretend.World().plan(asked, host)
    assert "overlay-unusable" in _codes(plan)
    assert "CAP_NET_ADMIN" in next(one.detail for one in plan.diagnostics if one.code == "overlay-unusable")


def test_who_made_the_networks_is_known_from_records_or_from_what_is_there() -> None:
    there = {"network.lan": Thing("shop", "network.lan", "user_network", {}), "vm.web": Thing("shop", "vm.web", "qemu", {})}
    assert assignment.networks_of({}, {}) == "network"
    assert assignment.networks_of({}, there) == "user_network"


def _real(build, *hypervisors):
    return build.host()._replace(simulated=False, abilities=Abilities(tuple(hypervisors)))


def test_an_unknown_hypervisor_is_not_ignored(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", hypervisor="xen")), build.host())
    assert _codes(plan) == ["not-supported-yet"]
    assert "not supported by this provider yet" in plan.diagnostics[0].detail
    assert not plan.applyable


def test_the_flag_overrides_the_file(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", hypervisor="xen")), build.host(), hypervisor="simulator")
    assert (_codes(plan), plan.applyable) == ([], True)


def test_a_field_that_this_host_cannot_honour_is_said_when_it_is_asked_for(build, pretend) -> None:
    lacks = Abilities((("qemu", True, "ready"),), lacking=(("qemu", "shares", "the program virtiofsd is missing"),))
    host = build.host()._replace(simulated=False, abilities=lacks)
    share = [{"path": "/srv", "tag": "data"}]
    asked = build.desired(build.image(), build.vm("web", shares=share), build.vm("db"))
    plan = pretend.World().plan(asked, host)
    (found,) = (one for one in plan.diagnostics if one.is_error)
    assert (found.code, found.address) == ("missing-on-host", "vm.web")
    assert found.detail == "`shares` of `vm.web` cannot be honored here: the program virtiofsd is missing."
    # What runs already was honored once: the program is not needed for what does not change.
    able = host._replace(abilities=lacks._replace(lacking=()))
    there = pretend.run(pretend.World(), pretend.World().plan(asked, able), able)
    assert _codes(there.plan(asked, host)) == []
    more = build.desired(build.image(), build.vm("web", shares=[*share, {"path": "/opt", "tag": "more"}]), build.vm("db"))
    assert "missing-on-host" in _codes(there.plan(more, host))


def test_a_machine_of_another_hypervisor_is_replaced_by_the_one_that_runs_it(build, pretend) -> None:
    host = build.host()._replace(simulated=False, abilities=Abilities(_BOTH, accelerated=("cloud-hypervisor", "qemu")))
    before = build.desired(build.image(), build.vm("web", hypervisor="cloud-hypervisor"))
    world = pretend.run(pretend.World(), pretend.World().plan(before, host), host)
    for options in ({}, {"replace": ["vm.web"]}):
        plan = world.plan(build.desired(build.image(), build.vm("web", hypervisor="qemu")), host, **options)
        (change,) = plan.changing
        assert change.action is Action.REPLACE
        assert _who(plan, "vm.stop", "vm.delete") == {"cloud-hypervisor"}
        assert _who(plan, "vm.create", "vm.boot") == {"qemu"}


def test_a_record_that_names_another_hypervisor_than_the_one_that_runs_is_not_believed(build, pretend) -> None:
    host = build.host()._replace(simulated=False, abilities=Abilities(_BOTH, accelerated=("cloud-hypervisor", "qemu")))
    desired = build.desired(build.image(), build.vm("web", hypervisor="qemu"))
    world = pretend.run(pretend.World(), pretend.World().plan(desired, host), host)
    assert world.plan(desired, host).changing == ()
    ((stack, seen),) = world.observed.things.items()
    things = {stack: {address: thing._replace(provider="cloud-hypervisor") for address, thing in seen.items()}}
    plan = world._replace(observed=world.observed._replace(things=things)).plan(desired, host)
    assert (_who(plan, "vm.stop", "vm.delete"), _who(plan, "vm.create")) == ({"cloud-hypervisor"}, {"qemu"})


def _who(plan, *kinds):
    return {step.provider for step in plan.steps if step.kind in kinds}
