"""Which provider runs what, and what is said of those that are not here."""


def _codes(plan):
    return [found.code for found in plan.diagnostics]


def test_auto_on_a_simulated_host_is_the_simulator_without_a_word(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), build.host())
    assert (_codes(plan), plan.simulated) == ([], True)


def test_auto_on_a_real_host_says_that_nothing_real_will_run(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), build.host()._replace(simulated=False))
    assert _codes(plan) == ["simulated"]
    assert plan.applyable


def test_an_unknown_hypervisor_is_not_ignored(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", hypervisor="cloud-hypervisor")), build.host())
    assert _codes(plan) == ["not-supported-yet"]
    assert "not supported by this provider yet" in plan.diagnostics[0].detail
    assert not plan.applyable


def test_the_flag_overrides_the_file(build, pretend) -> None:
    plan = pretend.World().plan(
        build.desired(build.image(), build.vm("web", hypervisor="cloud-hypervisor")), build.host(), hypervisor="simulator"
    )
    assert (_codes(plan), plan.applyable) == ([], True)
