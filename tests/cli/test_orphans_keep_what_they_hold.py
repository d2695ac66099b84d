"""What an orphan holds is never given away: slices, addresses, names, ranges, volumes and networks, although its record was dropped."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{tiny: {{kernel: ./vmlinuz}}}}
networks: {{lan: {{cidr: 10.42.0.0/24}}}}
vms:
  db: {{image: tiny, slices: 2, memory: 1 GiB, networks: [lan]}}
{more}
"""


@pytest.fixture
def orphaned(herocloud: Any) -> Any:
    """Apply a stack and drop the record of its VM, which goes on running."""
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(more=""))
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.db")
    return herocloud


def _plan(herocloud: Any, *arguments: str) -> dict[str, Any]:
    return json.loads(herocloud("plan", "--json", *arguments).out)  # type: ignore[no-any-return]


def _after(plan: dict[str, Any], vm: str) -> dict[str, Any]:
    (change,) = [one for one in plan["resource_changes"] if one["address"] == vm]
    return change["change"]["after"]  # type: ignore[no-any-return]


def _address(plan: dict[str, Any], vm: str) -> str:
    return str(_after(plan, vm)["networks"][0]["address"])


def test_a_new_vm_does_not_get_the_address_of_an_orphan(orphaned) -> None:
    orphaned.write(STACK.format(more="  web: {image: tiny, memory: 1 GiB, networks: [lan]}").replace("  db:", "  other:"))
    plan = _plan(orphaned)
    assert {_address(plan, "vm.other"), _address(plan, "vm.web")} == {"10.42.0.3", "10.42.0.4"}


def test_one_that_is_taken_back_and_a_new_one_do_not_share_an_address(orphaned) -> None:
    orphaned.write(
        STACK.format(more="  a: {image: tiny, memory: 1 GiB, networks: [lan]}\n  z: {image: tiny, memory: 1 GiB, networks: [lan]}")
    )
    plan = _plan(orphaned)
    assert _address(plan, "vm.db") == "10.42.0.2"
    assert len({_address(plan, vm) for vm in ("vm.a", "vm.db", "vm.z")}) == 3


def test_a_new_vm_does_not_get_the_slices_of_an_orphan(orphaned) -> None:
    held = ["s1", "s2"]
    orphaned.write(STACK.format(more="").replace("  db:", "  other:"))
    assert not set(_after(_plan(orphaned), "vm.other")["slices"]) & set(held), "the plan gives away slices that the orphan holds"
    orphaned.done("apply", "-y")
    orphaned.write(STACK.format(more="  third: {image: tiny, memory: 1 GiB}").replace("  db:", "  other:"))
    assert not set(_after(_plan(orphaned), "vm.third")["slices"]) & set(held), "the next plan gives them away"
    orphaned.done("state", "adopt", "vm.db", "-y")
    assert json.loads(orphaned.done("state", "show", "vm.db", "--json").out)["spec"]["slices"] == held


def test_a_vm_of_another_stack_does_not_get_them_either(orphaned) -> None:
    orphaned.write("stack: blog\nimages: {tiny: {kernel: ./vmlinuz}}\nvms: {one: {image: tiny, memory: 1 GiB}}\n", "blog.yaml")
    assert _after(_plan(orphaned, "-f", "blog.yaml"), "vm.one")["slices"] == ["s3"]


def test_a_slice_of_an_orphan_cannot_be_pinned(orphaned) -> None:
    orphaned.write(STACK.format(more="").replace("  db: {image: tiny, slices: 2", "  other: {image: tiny, slice: s2"))
    ran = orphaned("plan")
    assert ran.code == 14, ran.both
    assert "`vm.db` holds" in ran.err
    assert "state adopt vm.db" in ran.err


def test_what_was_counted_for_the_orphan_does_not_change_when_it_is_taken_back(orphaned) -> None:
    slices = _plan(orphaned)["capacity"]["slices"]
    assert (slices["before"], slices["peak"], slices["after"]) == (2, 2, 2)


def test_a_plan_that_was_saved_before_is_stale_when_an_orphan_holds_its_slice(herocloud) -> None:
    herocloud.write("", "vmlinuz")
    herocloud.write(STACK.format(more=""))
    herocloud.done("plan", "--out", "db.plan")
    herocloud.write("stack: blog\nimages: {tiny: {kernel: ./vmlinuz}}\nvms: {one: {image: tiny, memory: 1 GiB}}\n", "blog.yaml")
    herocloud.done("apply", "-y", "-f", "blog.yaml")
    herocloud.done("state", "rm", "vm.one", "--stack", "blog")
    ran = herocloud("apply", "db.plan")
    assert ran.code == 10, ran.both
    assert "slice:s1" in ran.err
    assert "blog/vm.one" in ran.err


def test_the_range_of_an_orphan_is_a_finding(orphaned) -> None:
    orphaned.done("state", "rm", "network.lan")
    orphaned.write("stack: blog\nnetworks: {net: {cidr: 10.42.0.0/16}}\n", "blog.yaml")
    ran = orphaned("plan", "-f", "blog.yaml")
    assert ran.code == 1, ran.both
    assert "`network.lan` of stack `shop`" in ran.err
    assert "no record" in ran.err


def test_the_published_port_of_an_orphan_is_a_finding(herocloud) -> None:
    herocloud.write("", "vmlinuz")
    lan = "lan: {cidr: 10.42.0.0/24, forward: [{host_port: 8080, vm: db, port: 80}]}"
    herocloud.write(STACK.format(more="").replace("lan: {cidr: 10.42.0.0/24}", lan))
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "network.lan")
    text = STACK.format(more="").replace("stack: shop", "stack: blog").replace("lan: {cidr: 10.42.0.0/24}", lan.replace("42", "43"))
    herocloud.write(text, "blog.yaml")
    ran = herocloud("plan", "-f", "blog.yaml")
    assert ran.code == 1, ran.both
    assert "8080" in ran.err
    assert "`network.lan` of stack `shop`" in ran.err


NAMED = """\
stack: shop
images: {deb: {source: ./disk.raw, format: raw, nocloud: true}}
vms:
  front: {image: deb, memory: 1 GiB}
moved: [{from: vm.www, to: vm.front}]
"""


@pytest.fixture
def renamed(herocloud: Any) -> Any:
    """Apply a VM, rename it, and drop its record."""
    herocloud.write("x" * 4096, "disk.raw")
    herocloud.write(NAMED.replace("  front:", "  www:").replace("moved", "x-moved").partition("x-moved")[0])
    herocloud.done("apply", "-y")
    herocloud.write(NAMED)
    herocloud.done("apply", "-y")
    herocloud.done("state", "rm", "vm.front")
    return herocloud


def test_what_adopting_would_not_interrupt_the_plan_does_not_interrupt(renamed) -> None:
    adopted = json.loads(renamed.done("state", "adopt", "vm.front", "--json", "-y").out.splitlines()[1])
    renamed.done("state", "rm", "vm.front")
    (change,) = [one for one in _plan(renamed)["resource_changes"] if one["address"] == "vm.front"]
    assert adopted["type"] == "planned_change"
    assert change["action"] == "adopt", f"adopting needs nothing, and the plan says {change['action']}"
    renamed.done("apply", "--approve", "create,update")
    assert "No changes." in renamed.done("plan").out


def test_adopting_is_offered_where_the_file_asks_for_an_interruption(renamed) -> None:
    renamed.write(NAMED.replace("memory: 1 GiB", "memory: 1 GiB, cpu: {max: 9}"))
    ran = renamed.done("plan")
    assert "cpu.max 4 → 9" in ran.out
    assert "`herocloud state adopt vm.front` takes it back as it was last recorded" in ran.err


def test_the_list_of_slices_names_the_orphan_that_holds_them(orphaned) -> None:
    rows = {row["sid"]: row for row in json.loads(orphaned.done("slice", "list", "--json").out)["slices"]}
    assert [(rows[sid]["state"], rows[sid]["vm"]) for sid in ("s1", "s2", "s3")] == [("InUse", "vm.db"), ("InUse", "vm.db"), ("Free", None)]
    assert json.loads(orphaned.done("slice", "show", "s1", "--json").out)["state"] == "InUse"
    orphaned.done("state", "gc", "-y")
    assert json.loads(orphaned.done("slice", "show", "s1", "--json").out)["state"] == "Free"


USED = """\
stack: shop
images: {{deb: {{source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}}}
networks: {{lan: {{cidr: {cidr}}}}}
volumes: {{data: {{size: {size}}}}}
{more}
"""
USER = "vms: {{{name}: {{image: deb, memory: 1 GiB, networks: [lan], volumes: [{use}]}}}}"


def _used(more: str, cidr: str = "10.42.0.0/24", size: str = "5 GiB") -> str:
    return USED.format(more=more, cidr=cidr, size=size)


@pytest.fixture(params=["data", "{volume: data, readonly: true}"], ids=["writing", "reading"])
def user(herocloud: Any, request: pytest.FixtureRequest) -> Any:
    """Apply a VM with a volume and a network, and drop its record."""
    herocloud.write(_used(USER.format(name="x", use=request.param)))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("state", "rm", "vm.x")
    return herocloud


def _refused(ran: Any, *used: str) -> None:
    assert ran.code == 1, ran.both
    for address in used:
        assert f"`{address}`, which `vm.x` uses" in ran.err
    assert "`herocloud state adopt vm.x`" in ran.err
    assert "`herocloud state gc`" in ran.err


TOUCHING = {
    "grown": ({"size": "7 GiB", "more": ""}, ["volume.data"]),
    "given to another": ({"more": USER.format(name="n", use="data")}, ["volume.data"]),
    "another range": ({"cidr": "10.44.0.0/24", "more": ""}, ["network.lan"]),
}


@pytest.mark.parametrize(("fields", "used"), TOUCHING.values(), ids=TOUCHING)
def test_what_an_orphan_uses_is_neither_changed_nor_given_away(user, fields: dict[str, str], used: list[str]) -> None:
    user.write(_used(**fields))
    before = user.done("state", "list", "--json").out
    _refused(user("plan"), *used)
    _refused(user("apply", "-y"), *used)
    assert user.done("state", "list", "--json").out == before


def test_what_an_orphan_uses_is_not_destroyed(user) -> None:
    before = user.done("state", "list", "--json").out
    _refused(user("destroy", "-y"), "volume.data", "network.lan")
    assert user.done("state", "list", "--json").out == before
    user.done("state", "gc", "-y")
    user.done("destroy", "-y")


def test_what_goes_from_the_file_under_an_orphan_stays(user) -> None:
    user.write(_used("").partition("networks:")[0])
    _refused(user("plan"), "volume.data", "network.lan")


def test_two_that_only_read_may_share_a_volume_with_an_orphan(user, request: pytest.FixtureRequest) -> None:
    user.write(_used(USER.format(name="n", use="{volume: data, readonly: true}")))
    ran = user("plan")
    assert ran.code == (0 if "reading" in request.node.name else 1), ran.both


def test_an_orphan_that_is_taken_back_stands_in_nobodys_way(user) -> None:
    user.done("state", "adopt", "vm.x", "-y")
    user.write(_used("", size="7 GiB"))
    user.done("apply", "-y")
    user.done("destroy", "-y")


def test_an_orphan_that_the_same_plan_takes_back_may_let_go(herocloud) -> None:
    herocloud.write(_used(USER.format(name="x", use="data")))
    herocloud.done("apply", "-y", "-q")
    herocloud.done("state", "rm", "vm.x")
    herocloud.write(_used(USER.format(name="x", use="data"), size="7 GiB"))
    herocloud.done("apply", "-y")
