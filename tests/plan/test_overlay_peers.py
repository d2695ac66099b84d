"""A declared peer without a connection is a warning with its state, and never drift; one that is just being added is not judged yet."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.ids import Address
from herocloud.model.words import Severity
from herocloud.model.worlds import Resource

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
ENDPOINT = "tcp://192.0.2.1:9651"


@pytest.fixture
def host(build):
    return build.host()._replace(overlay_keys=((jsons.dumps({"name": "host"}), OverlayKey(PUBLIC)),))


@pytest.fixture
def stack(build):
    spec = {"addresses": True, "mode": "host", "daemon": "auto", "key": {"name": "host"}, "interfaces": []}
    node = Resource(Address("mycelium.node"), "mycelium", "node", None, spec)
    peer = Resource(Address(f"peer.{ENDPOINT}"), "peer", ENDPOINT, None, {"endpoint": ENDPOINT}, (node.address,))
    return build.desired(node, peer)


@pytest.fixture
def applied(pretend, stack, host):
    return pretend.run(pretend.World(), pretend.World().plan(stack, host), host)


def _plan(world, stack, host, state, **options):
    return world._replace(observed=world.observed._replace(peer_states={ENDPOINT: state})).plan(stack, host, **options)


@pytest.mark.parametrize("state", ["dead", "connecting"])
def test_a_recorded_peer_without_a_connection_is_a_warning_and_no_change(applied, stack, host, state) -> None:
    plan = _plan(applied, stack, host, state)
    (warning,) = plan.diagnostics
    assert (warning.severity, warning.code, warning.address) == (Severity.WARNING, "peer-not-connected", f"peer.{ENDPOINT}")
    assert f"`{ENDPOINT}` as {state};" in warning.detail
    assert list(plan.changing) == []
    assert plan.drift == ()


def test_a_connected_peer_is_not_mentioned(applied, stack, host) -> None:
    assert _plan(applied, stack, host, "alive").diagnostics == ()


def test_the_state_of_a_peer_does_not_change_the_name_of_a_plan(applied, stack, host) -> None:
    assert _plan(applied, stack, host, "dead").id == _plan(applied, stack, host, "alive").id


def test_a_peer_that_the_plan_adds_has_had_no_chance_yet(pretend, stack, host) -> None:
    assert _plan(pretend.World(), stack, host, "dead").diagnostics == ()
