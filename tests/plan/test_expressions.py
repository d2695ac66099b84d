"""Expressions that only the planner can answer."""

import pytest


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ vm.web[1].address.lan }}", "10.42.0.3"),
        ("http://{{ vm.web[0].address.lan }}:80/", "http://10.42.0.2:80/"),
        ("{{vm.web[0].vcpus}}", 1),
        ("{{ vm.web[0].slices }}", ["s1"]),
        (["a", {"b": "{{ vm.web[0].address }}"}], ["a", {"b": "10.42.0.2"}]),
        ("no expression", "no expression"),
        ("{{ vm.web[0].address.lan }},{{ vm.web[1].address.lan }}", "10.42.0.2,10.42.0.3"),
        ("{{ ds.meta_data }} on {{ vm.web[0].address.lan }}", "{{ ds.meta_data }} on 10.42.0.2"),
    ],
)
def test_outputs_take_values_of_vms(build, pretend, expression, value) -> None:
    stack = build.desired(build.image(), build.network(), build.vms("web", 2, networks=["lan"]), outputs={"it": expression})
    assert pretend.World().plan(stack, build.host()).outputs == {"it": value}


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("{{ vm.wbe[0].address.lan }}", "there is no `vm.wbe[0]`; did you mean `vm.web[0]`?"),
        ("{{ vm.web[0].adress.lan }}", "a VM has no `adress`; did you mean `address`?"),
        ("{{ vm.web[0].address.dmz }}", "`vm.web[0]` has none"),
        ("{{ vm.web[0].mycelium }}", "`vm.web[0]` has none"),
        ("{{ vm.web[0] }}", "it does not say which value of the VM is meant"),
    ],
)
def test_an_expression_without_a_value_is_an_error(build, pretend, expression, says) -> None:
    stack = build.desired(build.image(), build.network(), build.vm("web", 0, networks=["lan"]), outputs={"it": expression})
    plan = pretend.World().plan(stack, build.host())
    [found] = plan.diagnostics
    assert found.code == "unknown-expression"
    assert says in found.detail


def test_two_vms_may_name_each_other(build, pretend) -> None:
    stack = build.desired(
        build.image(),
        build.network(),
        build.vm("a", networks=["lan"], env={"PEER": "{{ vm.b.address.lan }}"}),
        build.vm("b", networks=["lan"], env={"PEER": "{{ vm.a.address.lan }}"}),
    )
    plan = pretend.World().plan(stack, build.host())
    assert {change.address: change.after["env"] for change in plan.changes if change.kind == "vm"} == {
        "vm.a": {"PEER": "10.42.0.3"},
        "vm.b": {"PEER": "10.42.0.2"},
    }


def test_a_forwarded_port_knows_the_address_it_leads_to(build, pretend) -> None:
    forward = {"host_port": 8080, "vm": "vm.web", "port": 80, "protocol": "tcp"}
    plan = pretend.World().plan(
        build.desired(build.image(), build.network(forward=[forward]), build.vm("web", networks=["lan"])), build.host()
    )
    [change] = [change for change in plan.changes if change.kind == "network"]
    assert change.after["forward"] == [{**forward, "address": "10.42.0.2"}]
