"""The proof that a plan fits, and what is said when it does not."""

import random

import pytest

from herocloud.model.hosts import Uplink
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Claim, Step
from herocloud.plan import capacity, facts

GIB = 1024**3


def test_what_is_created_may_run_before_what_is_deleted(build, pretend) -> None:
    host = build.host(8)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vms("old", 2)), host), host)
    plan = world.plan(build.desired(build.image(), build.vms("new", 2), build.vm("old", 0)), host)
    assert plan.capacity.slices[:3] == (2, 4, 3)
    assert plan.capacity.memory[:3] == (8 * GIB, 16 * GIB, 12 * GIB)


def test_without_room_creation_waits_for_deletion(build, pretend) -> None:
    host = build.host(4, cpus=1)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("old", vcpus=4)), host), host)
    plan = world.plan(build.desired(build.image(), build.vm("new", vcpus=4)), host)
    assert not plan.errored
    assert plan.capacity.vcpus == capacity.Level(4, 4, 4, 4, 4.0)
    made = next(step for step in plan.steps if step.kind == "vm.create")
    assert "vm.old/vm.delete" in made.needs


def test_deleted_data_keeps_its_space_until_it_is_purged(build, pretend) -> None:
    host = build.host(4, disk=10)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.volume(size=30)), host), host)
    new = build.desired(build.volume("other", size=30))
    kept = world.plan(new, host)
    assert [found.code for found in kept.diagnostics] == ["does-not-fit-disk"]
    assert "--purge" in kept.diagnostics[0].hint
    purged = world.plan(new, host, purge=True)
    assert not purged.errored
    assert purged.capacity.disk[:3] == (30 * GIB, 30 * GIB, 30 * GIB)


def test_the_fewest_to_blame_are_the_largest(build, pretend) -> None:
    host = build.host(8, cpus=2)
    plan = pretend.World().plan(
        build.desired(build.image(), build.vm("small", vcpus=2), build.vm("huge", vcpus=6), build.vm("other", vcpus=2)), host
    )
    [found] = plan.diagnostics
    assert found.code == "does-not-fit-vcpus"
    assert found.detail == "vCPUs: 0 of 8 in use, 10 wanted, 2 too much. The fewest to blame in stack `shop`: `vm.huge` (6)."


def test_the_peak_of_what_does_not_fit_is_all_that_is_wanted(build, pretend) -> None:
    host = build.host(4, cpus=2, disk=10)
    plan = pretend.World().plan(build.desired(build.image(), build.volume(size=100), *(build.vm(f"v{n}", vcpus=6) for n in range(6))), host)
    assert plan.errored
    assert plan.capacity.vcpus[:4] == (0, 36, 36, 8)
    assert plan.capacity.disk.peak == plan.capacity.disk.after > plan.capacity.disk.limit
    assert all(level.peak >= max(level.before, level.after) for level in plan.capacity)


def test_nothing_is_blamed_twice_for_too_few_slices(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", memory=8 * GIB)), build.host(1, cpus=8, disk=100))
    assert [found.code for found in plan.diagnostics] == ["does-not-fit-memory", "does-not-fit-slices"]


HUGE = {"hugepages": True, "mergeable": False, "hotplug": None}


def test_memory_in_huge_pages_needs_pages_that_are_set_aside(build, pretend) -> None:
    stack = build.desired(build.image(), build.vms("db", 2, memory_options=HUGE), build.vm("web"))
    plan = pretend.World().plan(stack, build.host(8, hugepages=8 * GIB))
    assert not plan.errored
    assert plan.capacity.hugepages == capacity.Level(0, 8 * GIB, 8 * GIB, 8 * GIB)
    assert plan.capacity.memory.after == 12 * GIB
    [found] = pretend.World().plan(stack, build.host(8, hugepages=0)).diagnostics
    assert found.code == "does-not-fit-hugepages"
    assert found.detail == (
        "memory in huge pages: 0 B of 0 B in use, 8 GiB wanted, 8 GiB too much. "
        "The fewest to blame in stack `shop`: `vm.db[0]` (4 GiB), `vm.db[1]` (4 GiB)."
    )
    assert "sysctl vm.nr_hugepages" in found.hint


def test_what_is_set_aside_in_huge_pages_is_no_memory_for_others(build, pretend) -> None:
    host = build.host(4, hugepages=12 * GIB)
    both = build.desired(build.image(), build.vm("db", memory_options=HUGE), build.vm("web"))
    assert not pretend.World().plan(both, host).errored
    [found] = pretend.World().plan(build.desired(build.image(), build.vms("web", 2)), host).diagnostics
    assert found.code == "does-not-fit-ordinary-memory"
    assert found.detail.startswith("RAM outside of huge pages: 0 B of 4 GiB in use, 8 GiB wanted, 4 GiB too much.")


def test_who_leaves_huge_pages_takes_what_others_have_there(build, pretend) -> None:
    host = build.host(8, hugepages=4 * GIB, cpus=8)
    before = build.desired(build.image(), build.vm("one", memory_options=HUGE), build.vms("two", 1))
    world = pretend.run(pretend.World(), pretend.World().plan(before, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("one"), build.vms("two", 1, memory_options=HUGE)), host)
    assert not plan.errored
    assert plan.capacity.hugepages == capacity.Level(4 * GIB, 4 * GIB, 4 * GIB, 4 * GIB)
    pretend.run(world, plan, host)


def test_a_saved_plan_learns_that_its_huge_pages_are_gone(build, pretend) -> None:
    stack = build.desired(build.image(), build.vm("db", memory_options=HUGE))
    plan = pretend.World().plan(stack, build.host(4, hugepages=4 * GIB))
    [key] = [fact.key for fact in plan.facts if fact.key.startswith("capacity:")]
    world = pretend.World()
    now = facts.current_facts([key], world.recorded, world.observed, build.host(4, hugepages=2 * GIB))
    assert now[key].says == "only 2 GiB of memory in huge pages is free"


def test_an_uplink_of_unknown_speed_limits_nothing(build, pretend) -> None:
    nic = {"network": "lan", "rate": {"download": 10**12, "upload": None}}
    plan = pretend.World().plan(build.desired(build.image(), build.network(), build.vm("web", networks=[nic])), build.host(4))
    assert not plan.errored
    assert plan.capacity.network == capacity.Level(0, 10**12, 10**12, None, 2.0)


def test_bandwidth_counts_the_larger_direction_against_the_uplink(build, pretend) -> None:
    nic = {"network": "lan", "rate": {"download": 70, "upload": 30}}
    host = build.host(4, uplink=Uplink("eth0", 100))
    stack = build.desired(build.image(), build.network(), build.vms("web", 3, networks=[nic]))
    plan = pretend.World().plan(stack, host)
    assert plan.capacity.network.after == 210
    assert [found.code for found in plan.diagnostics] == ["does-not-fit-network"]


def test_a_record_counts_in_full_while_its_vm_is_half_made(build, pretend) -> None:
    host = build.host(1)
    stack = build.desired(build.image(), build.vm("web"))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host, stop_after=3)
    plan = world.plan(stack, host)
    assert not plan.errored
    assert plan.capacity.slices[:3] == (1, 1, 1)
    assert plan.capacity.memory[:3] == (4 * GIB, 4 * GIB, 4 * GIB)


def test_capacity_is_stale_only_when_too_little_is_left(build, pretend) -> None:
    host = build.host(4)
    plan = pretend.World().plan(build.desired(build.image(), build.vms("web", 2)), host)
    [key] = [fact.key for fact in plan.facts if fact.key.startswith("capacity:")]
    planned = next(fact for fact in plan.facts if fact.key == key)
    fuller = host._replace(disk_free=host.disk_free - 100 * GIB)
    assert facts.current_facts([key], pretend.World().recorded, None, fuller)[key] == planned
    full = host._replace(disk_free=19 * GIB)
    assert facts.current_facts([key], pretend.World().recorded, None, full)[key].says == "only 19 GiB of disk is free"


def test_claims_of_steps_add_up_to_the_levels(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.volume(), build.vms("web", 3, slices=2)), build.host(8))
    totals = Claim(*(sum(step.takes[number] for step in plan.steps) for number in range(len(Claim._fields))))
    assert totals._asdict() == {name: getattr(plan.capacity, name).after for name in Claim._fields}


def _without_records(world):
    return world._replace(recorded=world.recorded._replace(records={}))


def test_what_runs_without_a_record_fills_the_host_all_the_same(build, pretend) -> None:
    host = build.host(4)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vms("old", 3)), host), host)
    plan = _without_records(world).plan(build.desired(build.image(), build.vms("new", 2), stack="lab"), host)
    assert [found.code for found in plan.diagnostics] == ["does-not-fit-memory", "does-not-fit-slices"]
    assert plan.capacity.memory.before == 12 * GIB
    one = _without_records(world).plan(build.desired(build.image(), build.vms("new", 1), stack="lab"), host)
    assert not one.errored


def test_what_is_adopted_is_counted_once(build, pretend) -> None:
    host = build.host(3)
    stack = build.desired(build.image(), build.volume(), build.vms("web", 3))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    plan = _without_records(world).plan(stack, host)
    assert not plan.errored
    assert plan.capacity.slices[:3] == (3, 3, 3)
    assert plan.capacity.disk.after == world.plan(stack, host).capacity.disk.after


def test_many_alike_are_named_as_a_range(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vms("web", 40, vcpus=1)), build.host(64, cpus=2))
    [found] = plan.diagnostics
    assert found.detail.endswith("The fewest to blame in stack `shop`: `vm.web[0–31]` (1 each).")  # noqa: RUF001


def test_a_card_that_is_faster_than_recorded_is_counted_as_it_is(build, pretend) -> None:
    host = build.host()
    stack = build.desired(build.image(), build.network(), build.vm("web", networks=["lan"]))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    things = world.observed.things["shop"]
    parts = dict(things["vm.web"].parts)
    parts["nic.0"] = {**parts["nic.0"], "rate": {"download": 1000, "upload": 500}}
    faster = {**things, "vm.web": things["vm.web"]._replace(parts=parts)}
    plan = world._replace(observed=world.observed._replace(things={"shop": faster})).plan(stack, host)
    assert [step.kind for step in plan.steps] == ["tap.update"]
    assert plan.capacity.network[:3] == (1000, 1000, 0)


def _linked(build, *rates):
    """Return a stack of one VM with these download rates on its cards."""
    nics = [{"network": f"lan{number}", "rate": rate and {"download": rate, "upload": None}} for number, rate in enumerate(rates)]
    networks = [build.network(f"lan{number}", cidr=f"10.{number}.0.0/24") for number in range(len(rates))]
    return build.desired(build.image(), *networks, build.vm("web", networks=nics))


def test_a_rate_that_moves_to_another_card_is_counted_on_both_until_it_has_left_the_first(build, pretend) -> None:
    wide = build.host(uplink=Uplink("eth0", 1000))
    world = pretend.run(pretend.World(), pretend.World().plan(_linked(build, 1000, None), wide), wide)
    plan = world.plan(_linked(build, None, 1000), wide)
    first, second = (step for step in plan.steps if step.kind == "tap.update")
    assert (first.part, first.gives.network, first.takes.network) == ("nic.0", 1000, 0)
    assert (second.part, second.takes.network) == ("nic.1", 1000)
    assert first.id in second.needs
    assert plan.capacity.network[:3] == (1000, 1000, 1000)


def test_a_card_that_gets_slower_comes_before_one_that_gets_faster(build, pretend) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))
    world = pretend.run(pretend.World(), pretend.World().plan(_linked(build, None, 1000), tight), tight)
    plan = world.plan(_linked(build, 1000, None), tight)
    assert [step.part for step in plan.steps if step.kind == "tap.update"] == ["nic.1", "nic.0"]
    assert not plan.errored
    assert plan.capacity.network[:3] == (1000, 1000, 1000)


def test_the_cards_of_a_stopped_vm_change_in_the_same_order(build, pretend) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))

    def stopped(*rates):
        stack = _linked(build, *rates)
        vms = [one._replace(spec={**one.spec, "state": "stopped"}) if one.kind == "vm" else one for one in stack.resources]
        return stack._replace(resources=tuple(vms))

    world = pretend.run(pretend.World(), pretend.World().plan(stopped(None, 1000), tight), tight)
    plan = world.plan(stopped(1000, None), tight)
    assert not plan.errored
    slower, faster = (step for step in plan.steps if step.kind == "tap.update")
    assert (slower.part, faster.part) == ("nic.1", "nic.0")
    assert slower.id in faster.needs
    assert plan.capacity.network[:3] == (1000, 1000, 1000)


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_the_rate_of_a_card_that_goes_moves_to_one_that_stays(build, pretend, state) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))

    def linked(*rates, **more):
        stack = _linked(build, *rates)
        vms = [one._replace(spec={**one.spec, "state": state, **more}) if one.kind == "vm" else one for one in stack.resources]
        return stack._replace(resources=tuple(vms))

    world = pretend.run(pretend.World(), pretend.World().plan(linked(None, 1000), tight), tight)
    one = linked(1000)._replace(resources=(*linked(1000).resources, build.network("lan1", cidr="10.1.0.0/24")))
    plan = world.plan(one, tight)
    assert not plan.errored
    assert plan.capacity.network[:3] == (1000, 1000, 1000)
    for seed in range(5):
        after = pretend.run(world, plan, tight, order=random.Random(seed))
        assert not after.plan(one, tight).changing


def test_a_vm_that_is_stopped_for_other_reasons_moves_its_rate_too(build, pretend) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))
    world = pretend.run(pretend.World(), pretend.World().plan(_linked(build, None, 1000), tight), tight)
    stack = _linked(build, 1000)
    vms = [one._replace(spec={**one.spec, "cpu": {**one.spec["cpu"], "max": 8}}) if one.kind == "vm" else one for one in stack.resources]
    plan = world.plan(stack._replace(resources=(*vms, build.network("lan1", cidr="10.1.0.0/24"))), tight)
    assert not plan.errored
    kinds = [step.kind for step in plan.steps if step.address == "vm.web"]
    assert kinds.index("vm.stop") < kinds.index("tap.delete") < kinds.index("tap.update") < kinds.index("vm.boot")
    pretend.run(world, plan, tight)


@pytest.mark.parametrize("more", [{}, {"restart": "always"}], ids=["the card alone", "and more of the machine"])
def test_a_vm_takes_over_the_rate_of_the_one_that_it_needed(build, pretend, more) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))
    fast, free = ({"network": "lan", "rate": rate and {"download": rate, "upload": None}} for rate in (1000, None))
    stack = build.desired(
        build.image(), build.network(), build.vm("queue", networks=[fast]), build.vm("db", networks=[free], needs=["vm.queue"])
    )
    world = pretend.run(pretend.World(), pretend.World().plan(stack, tight), tight)
    plan = world.plan(build.desired(build.image(), build.network(), build.vm("db", networks=[fast], **more)), tight)
    assert not plan.errored
    assert plan.capacity.network[:3] == (1000, 1000, 1000)
    pretend.run(world, plan, tight)


@pytest.mark.parametrize("giver", ["vm.web", "vm.db"])
def test_what_is_given_back_too_late_is_said_with_who_takes_too_early(build, giver) -> None:
    def step(name, address, *needs, **claims):
        return Step(StepId(f"{address}/{name}"), Address(address), "tap.update", "simulator", "nic.0", {}, {}, needs, (), **claims)

    steps = [
        step("takes", "vm.web", takes=Claim(network=125_000_000)),
        step("gives", giver, StepId("vm.web/takes"), gives=Claim(network=125_000_000)),
    ]
    host = build.host(uplink=Uplink("eth0", 62_500_000))
    [found] = capacity.prove(steps, {}, Claim(network=125_000_000), host, StackName("shop"), 0).found
    assert found.code == "does-not-fit-network"
    assert found.address == "vm.web"
    assert found.detail == (
        "bandwidth: 1 Gbit/s of 1 Gbit/s in use, 1 Gbit/s in the end, and 1 Gbit/s too much on the way. "
        "What is given back comes too late for these of stack `shop`: `vm.web` (1 Gbit/s)."
    )
    assert "two applies" in found.hint


def test_the_bandwidth_of_a_removed_vm_is_free_only_without_its_cards(build, pretend) -> None:
    tight = build.host(uplink=Uplink("eth0", 500))
    nic = {"network": "lan", "rate": {"download": 1000, "upload": None}}
    world = pretend.run(
        pretend.World(), pretend.World().plan(build.desired(build.image(), build.network(), build.vm("old", networks=[nic])), tight), tight
    )
    plan = world.plan(build.desired(build.image(), build.network(), build.vm("new", networks=[nic])), tight)
    assert not plan.errored
    made = next(step for step in plan.steps if step.kind == "tap.create")
    assert "vm.old/tap.delete" in made.needs
