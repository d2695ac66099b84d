"""How far a step got, from scenes that were put together by hand: no root, no kernel, every in-between."""

from typing import Any, NamedTuple

import pytest

from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Step
from herocloud.providers.firewall.rule_expressions import Chain, Rule
from herocloud.providers.network import marks, network_rules, recognition, tap_rules
from herocloud.providers.network.dumps import Address as OnLink
from herocloud.providers.network.dumps import Link, Queue, Route
from herocloud.providers.network.forward_switch import Serving
from herocloud.providers.network.marks import Mark, Port, Purpose
from herocloud.providers.network.snapshot import Scene, Sources
from herocloud.providers.network.tap_rules import Guarded
from herocloud.providers.seam import Found, Work

LAN = Mark("ours", "shop", "network.lan", "network")
WEB = Mark("ours", "shop", "vm.web", "nic.0")
NETWORK = {"cidr": "10.42.0.0/24", "nat": True, "isolated": False, "forward": [], "gateway": "10.42.0.1", "bridge": "hb-lan"}
NIC = {"network": "lan", "mac": "02:00:00:00:00:01", "address": "10.42.0.2", "tap": "hc-v1-0", "rate": None}
BRIDGE = Link(2, "hb-lan", marks.own_mac("ours", "hb-lan"), marks.write_mark(LAN, Port()), 1500, up=True, kind="bridge")
TAP = Link(3, "hc-v1-0", "06:00:00:00:00:01", "", 1500, up=True, master=2, kind="tun")
TAP = TAP._replace(alias=marks.write_mark(WEB, Purpose(NIC["mac"], NIC["address"], "lan")))


def _rules(*chains: Chain) -> dict[str, tuple[Rule, ...]]:
    return {chain.name: tuple(Rule(*rule) for rule in chain.rules) for chain in chains}


def _scene(*links: Link, **other: Any) -> Scene:
    """Put a scene together in which everything is as it shall be, except for what `other` says."""
    tap = tap_rules.build(WEB, "hc-v1-0", Guarded(NIC["mac"], NIC["address"], None))
    seen = {
        "addresses": (OnLink(2, "10.42.0.1", 24),),
        "routes": (Route(2, "10.42.0.0", 24, 254), Route(2, "10.42.0.1", 32, 255, 2)),
        "queues": (),
        "networks": _rules(*network_rules.build(LAN, NETWORK)),
        "taps": _rules(tap),
        "forwards": True,
        "serving": Serving(forwarding=True, loopback=False),
        **other,
    }
    serving = seen.pop("serving")
    return Scene(links, Sources(**{name: lambda value=value: value for name, value in seen.items()}, serving=lambda _name: serving))


class Seen(NamedTuple):
    found: Found
    detail: str


def _probe(scene: Scene, kind: str, before: Any, after: Any, lineage: str = "ours") -> Seen:
    address, part = ("network.lan", "network") if kind.startswith("network") else ("vm.web", "nic.0")
    step = Step(StepId("x"), Address(address), kind, "network", part, before, after)
    probe = recognition.probe(scene, Work(step, StackName("shop"), {}, lineage, "p"))
    return Seen(probe.found, probe.detail)


def test_what_is_as_after_is_done_and_as_before_is_not_started() -> None:
    whole, empty = _scene(BRIDGE, TAP), _scene(networks=None, taps=None)
    for kind, part in (("network", NETWORK), ("tap", NIC)):
        assert _probe(whole, f"{kind}.create", None, part) == (Found.DONE, "")
        assert _probe(whole, f"{kind}.delete", part, None) == (Found.NOT_STARTED, "")
        assert _probe(empty, f"{kind}.create", None, part) == (Found.NOT_STARTED, "")
        assert _probe(empty, f"{kind}.delete", part, None) == (Found.DONE, "")


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        (_scene(), "chain `forward-hb-lan`"),
        (_scene(networks={}, taps=None), "the table of networks"),
        (_scene(BRIDGE._replace(alias="", up=False)), "`hb-lan`, which has no mark yet"),
        (_scene(BRIDGE._replace(up=False)), "up is false"),
        (_scene(BRIDGE, addresses=()), "gateway is null"),
        (_scene(BRIDGE, networks={}), 'rules is ["forward","raw","incoming","here","leaving"]'),
    ],
)
def test_a_network_that_is_half_made_is_partial(scene: Scene, says: str) -> None:
    found, detail = _probe(scene, "network.create", None, NETWORK)
    assert (found, says in detail) == (Found.PARTIAL, True), detail


@pytest.mark.parametrize(
    ("scene", "says"),
    [
        (_scene(BRIDGE), "the rules of `hc-v1-0`"),
        (_scene(BRIDGE, Link(4, "hi-v1-0"), taps=None), "`hi-v1-0`"),
        (_scene(BRIDGE, taps=None, tap_table={}), "the table of taps"),
        (_scene(BRIDGE, TAP._replace(up=False)), "up is false"),
        (_scene(BRIDGE, TAP._replace(master=0)), 'bridge is "none"'),
        (_scene(BRIDGE, TAP, taps=None), 'guard is "missing"'),
    ],
)
def test_a_tap_that_is_half_made_is_partial(scene: Scene, says: str) -> None:
    found, detail = _probe(scene, "tap.create", None, NIC)
    assert (found, says in detail) == (Found.PARTIAL, True), detail


def test_the_table_of_taps_stays_while_another_tap_is_there() -> None:
    other = marks.write_mark(WEB._replace(address="vm.db"), Purpose("02:00:00:00:00:02", "10.42.0.3", "lan"))
    scene = _scene(BRIDGE, TAP._replace(name="hc-v2-0", alias=other), taps=None, tap_table={})
    assert _probe(scene, "tap.delete", NIC, None).found is Found.DONE


def test_rates_are_set_one_by_one_so_half_of_them_is_partial() -> None:
    slow = {**NIC, "rate": {"download": 1000, "upload": 2000}}
    half = _scene(BRIDGE, TAP, queues=(Queue(3, "tbf", 1000),))
    assert _probe(half, "tap.update", NIC, slow).found is Found.PARTIAL
    other = _scene(BRIDGE, TAP, queues=(Queue(3, "tbf", 999),))
    assert _probe(other, "tap.update", NIC, slow) == (
        Found.CONTRADICTED,
        "the nic.0 of `vm.web` is neither as before nor as after `tap.update`: rate.download is 999",
    )


def test_values_of_somebody_else_are_named_and_not_taken_for_half_way() -> None:
    found, detail = _probe(_scene(BRIDGE, addresses=(OnLink(2, "10.9.0.1", 16),)), "network.create", None, NETWORK)
    assert found is Found.CONTRADICTED
    assert 'cidr is "10.9.0.0/16", gateway is "10.9.0.1"' in detail


def test_a_foreign_or_unmarked_interface_contradicts() -> None:
    assert _probe(_scene(BRIDGE, TAP), "tap.create", None, NIC, lineage="another").found is Found.CONTRADICTED
    assert "no mark of herocloud" in _probe(_scene(Link(9, "hc-v1-0", "02:00:00:00:00:09")), "tap.create", None, NIC).detail


def test_what_was_to_be_changed_and_is_gone_contradicts() -> None:
    gone = _scene(BRIDGE, taps=None)
    assert _probe(gone, "tap.update", NIC, {**NIC, "address": "10.42.0.9"}) == (Found.CONTRADICTED, "the nic.0 of `vm.web` is gone")


def test_a_network_is_not_changed_before_its_ports_are() -> None:
    apart = {**NETWORK, "isolated": True}
    bridge = BRIDGE._replace(alias=marks.write_mark(LAN, Port(isolated=True)))
    rules = _rules(*network_rules.build(LAN, apart))
    found, detail = _probe(_scene(bridge, TAP, networks=rules), "network.update", NETWORK, apart)
    assert (found, "`hc-v1-0`" in detail) == (Found.PARTIAL, True)
    assert _probe(_scene(bridge, TAP._replace(isolated=True), networks=rules), "network.update", NETWORK, apart).found is Found.DONE
