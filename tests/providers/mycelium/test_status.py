"""What an operator sees of the daemons: version, address, subnet, peers with their state, routes, traffic; nothing of it is drift."""

import json
import re
from pathlib import Path
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

# The real daemon shows `connecting` while it tries again.
LATE = "(dead|connecting)"
DEAD, ALIVE = "tcp://192.0.2.77:9651", "tcp://192.0.2.2:9651"
STACK = """\
stack: shop
mycelium: {{peers: [{peers}], mode: {mode}}}
"""


def _begin(host: Any, *peers: str, mode: str = "host") -> None:
    host.become_whole()
    listed = ", ".join(f'"{peer}"' for peer in peers)
    (host.folder / "stack.yaml").write_text(STACK.format(peers=listed, mode=mode))
    host.herocloud("mycelium", "key", "create", "host", *(["shop"] if mode == "network" else []))
    host.herocloud("apply", "-y")


def _status(host: Any) -> Any:
    return json.loads(host.herocloud("--json", "mycelium", "status"))


def _states(report: Any) -> dict[str, str]:
    return {peer["endpoint"]: peer["state"] for peer in report["peers"]}


def test_a_peer_that_cannot_be_reached_is_a_warning_with_its_state_and_never_drift(make_host: Any) -> None:
    host, other = make_host("a"), make_host("b")
    hosts.connect(host, other)
    before = host.dump()
    other.enable(hosts.node(other.key()))
    _begin(host, DEAD, ALIVE)
    daemons.wait_until(lambda: _states(_status(host))[ALIVE] == "alive")
    plan = json.loads(host.herocloud("--json", "plan", "--detailed-exitcode"))
    (warning,) = plan["diagnostics"]
    assert (warning["severity"], warning["code"], warning["address"]) == ("warning", "peer-not-connected", f"peer.{DEAD}")
    assert re.fullmatch(f"The overlay daemon reports the peer `{DEAD}` as {LATE}; it keeps trying by itself.", warning["detail"])
    assert warning["range"]["start"]["line"] == 2
    assert plan["resource_drift"] == []
    assert {change["action"] for change in plan["resource_changes"]} == {"no-op"}
    said = host.herocloud("plan", "--detailed-exitcode")
    assert "No changes." in said
    assert "warning: An overlay peer is not connected" in said
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    assert re.search(f"warning: not connected to `{DEAD}` [(]{LATE}[)]; the daemon keeps trying.", host.herocloud("mycelium", "status"))
    assert re.search(f"1 of 2 peers alive, `{DEAD}` is {LATE}, 1 route", host.order({"verb": "survey"}))
    host.herocloud("destroy", "-y")
    assert host.changes_since(before) == []
    other.disable(hosts.node(other.order({"verb": "subnet", "name": "host"})))


def test_the_daemon_of_a_network_is_shown_beside_the_one_of_the_host(host: Any) -> None:
    before = host.dump()
    _begin(host, mode="network")
    own = host.order({"verb": "subnet", "name": "shop"})
    daemons.wait_until(lambda: set(_states(_status(host)["networks"][0]).values()) == {"alive"})
    status = _status(host)
    assert status["subnet"] == host.order({"verb": "subnet", "name": "host"})
    (network,) = status["networks"]
    assert {key for key in network if key not in status} == {"stack"}
    assert (network["stack"], network["running"], network["managed"], network["subnet"]) == ("shop", True, True, own)
    assert network["address"].startswith(own.removesuffix("::/64"))
    assert network["version"] == "0.7.10"
    assert [peer["declared"] for peer in network["peers"]] == [True]
    daemons.wait_until(lambda: [route["subnet"] for route in _status(host)["networks"][0]["routes"]] == [status["subnet"]])
    text = host.herocloud("mycelium", "status")
    assert "network shop" in text
    assert own in text
    survey = host.order({"verb": "survey"})
    assert f"network `shop`: address {network['address']}, subnet {own}, 1 of 1 peers alive, 1 route, 0 B from" in survey
    host.herocloud("destroy", "-y")
    host.herocloud("mycelium", "status", code=1)
    assert host.changes_since(before) == []


def test_a_network_without_its_namespace_has_no_daemon(host: Any) -> None:
    _begin(host, mode="network")
    namespace = next(path.name for path in Path("/run/netns").glob("herocloud-*") if path.name[-8:] in host.on_host("ip -o link"))
    pids = hosts.run([*host.enter, "ip", "netns", "pids", namespace]).split()
    hosts.run([*host.enter, "ip", "netns", "delete", namespace])
    hosts.run(["kill", "-9", *pids])
    daemons.wait_until(lambda: not _status(host)["networks"][0]["running"])
    assert "network shop   not running" in host.herocloud("mycelium", "status")
    assert "network `shop`: no daemon runs" in host.order({"verb": "survey"})
    assert "overlay.namespace is missing" in host.herocloud("drift")
    assert "overlay.namespace missing → restored" in host.herocloud("plan")
    host.herocloud("destroy", "-y")
