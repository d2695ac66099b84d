"""A simulated host without key files has one /64, which follows from its name, whichever stack asks and whatever is there."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.overlays import HOST_KEY, NODE
from herocloud.model.worlds import Resource
from herocloud.plan import overlay_keys

FORMER = "46b:68c5:5a63:c469::/64"
"""What hosts called `node1` took for their /64 before it was derived as all others are."""


def _host(build):
    keys = {jsons.dumps({"name": name}): OverlayKey(None, missing=True, name=name) for name in ("host", "first", "second")}
    return build.host()._replace(name="node1", simulated=True, overlay_keys=tuple(keys.items()))


def _stack(build, stack, mode="host", seed=None):
    key = dict(HOST_KEY) if mode == "host" else {"name": stack}
    spec = {"addresses": True, "mode": mode, "daemon": "auto", "key": key, "interfaces": []}
    vm = build.vm("web", mycelium={"seed": seed})
    return build.desired(build.image(), Resource(NODE, "mycelium", "node", None, spec), vm)._replace(stack=stack)


def _subnet(plan):
    return next(change.after["subnet"] for change in plan.changes if change.address == NODE)


def _codes(plan):
    return {one.code for one in plan.diagnostics}


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("first", ["host", "network"])
def test_every_stack_is_in_the_same_one(build, pretend, first, looked) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, "first", first), host), host)
    alone = _subnet(pretend.World().plan(_stack(build, "second"), host))
    plan = (world if looked else world._replace(observed=None)).plan(_stack(build, "second"), host)
    assert _subnet(plan) == alone
    assert _codes(plan) == {"overlay-key-derived"}
    assert not world.plan(_stack(build, "first", first), host).changing


def _moved_to_former(world, stack, host):
    """Return the world as an earlier release left it."""

    def former(value):
        text = jsons.dumps(value)
        derived = overlay_keys.node(overlay_keys.derived(host, "host"))[1].removesuffix("::/64")
        return jsons.loads(text.replace(derived, FORMER.removesuffix("::/64")))

    records = {
        address: record._replace(spec=former(record.spec), parts=former(record.parts))
        for address, record in world.recorded.records[stack].items()
    }
    things = {address: thing._replace(parts=former(thing.parts)) for address, thing in world.observed.things[stack].items()}
    return world._replace(
        recorded=world.recorded._replace(records={**world.recorded.records, stack: records}),
        observed=world.observed._replace(things={**world.observed.things, stack: things}),
    )


@pytest.fixture
def former(build, pretend):
    """Return a world in which stack `first` was applied by an earlier release."""
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, "first"), host), host)
    return _moved_to_former(world, "first", host)


def test_what_an_earlier_release_derived_stays(build, former) -> None:
    plan = former.plan(_stack(build, "first"), _host(build))
    assert not plan.changing
    assert _codes(plan) == {"overlay-key-derived"}


def test_a_new_stack_joins_what_an_earlier_release_derived(build, former) -> None:
    plan = former.plan(_stack(build, "second"), _host(build))
    assert _subnet(plan) == FORMER
    assert _codes(plan) == {"overlay-key-derived"}


def test_another_recorded_subnet_is_that_of_a_lost_key(build, pretend) -> None:
    there = build.host()._replace(name="node1", simulated=True, overlay_keys=((jsons.dumps(dict(HOST_KEY)), OverlayKey("ab" * 32)),))
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, "first"), there), there)
    plan = world.plan(_stack(build, "first"), _host(build))
    assert _codes(plan) == {"overlay-key-missing"}
    assert not plan.changing


def test_a_host_that_was_renamed_says_how_to_keep_its_addresses(build, pretend) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, "first"), host), host)
    plan = world.plan(_stack(build, "first"), host._replace(name="node2"))
    (found,) = plan.diagnostics
    assert found.code == "overlay-key-missing"
    assert "`node2`" in found.hint
    assert "former name" in found.hint
    assert not plan.changing
