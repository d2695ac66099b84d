"""Facts: what makes a plan stale, and what does not."""

from herocloud.plan import facts


def _differing(plan, world, host):
    now = facts.current_facts([fact.key for fact in plan.facts], world.recorded, world.observed, host)
    return [now[fact.key].key for fact in plan.facts if now[fact.key].digest != fact.digest]


def test_nothing_is_stale_while_nothing_changes(build, pretend) -> None:
    host = build.host()
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), host)
    assert _differing(plan, pretend.World(), host) == []


def test_another_stack_that_takes_nothing_of_ours_does_not_matter(build, pretend) -> None:
    host = build.host()
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", slice=["s3"])), host)
    other = pretend.World().plan(build.desired(build.image(), build.vm("web"), stack="lab"), host)
    assert _differing(plan, pretend.run(pretend.World(), other, host), host) == []


def test_a_slice_that_another_stack_took_is_named(build, pretend) -> None:
    host = build.host()
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), host)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("web"), stack="lab"), host), host)
    assert _differing(plan, world, host) == ["slice:s1"]
    assert facts.current_facts(["slice:s1"], world.recorded, world.observed, host)["slice:s1"].says == "held by lab/vm.web"


def test_a_touched_vm_that_stopped_since_is_named(build, pretend) -> None:
    host, stack = build.host(), build.desired(build.image(), build.vm("web"), build.vm("db"))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web", vcpus=2), build.vm("db")), host)
    for address, expected in (("vm.db", []), ("vm.web", ["observed:shop/vm.web"])):
        thing = world.observed.things["shop"][address]
        things = {**world.observed.things["shop"], address: thing._replace(parts={**thing.parts, "power": "stopped"})}
        assert _differing(plan, world._replace(observed=world.observed._replace(things={"shop": things})), host) == expected


def test_every_step_names_only_facts_of_its_plan(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.network(), build.vms("web", 2, networks=["lan"])), build.host())
    keys = {fact.key for fact in plan.facts}
    assert all(step.facts and keys.issuperset(step.facts) for step in plan.steps)
    assert all("web[0]" not in " ".join(step.facts) for step in plan.steps if step.address == "vm.web[1]")
