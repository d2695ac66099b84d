"""What somebody does to the interface of a node while the node runs: plan and drift name it, and the next apply puts it back."""

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import daemons
import hosts
import pytest

from herocloud.providers.mycelium import arithmetic, keys
from tests.providers.network import ability

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

PEER = "tcp://192.0.2.7:9651"
OF_HOST = {
    "the route is removed": ("ip -6 route del 400::/7 dev mycelium", "interface_route is missing"),
    "the link is down": ("ip link set mycelium down", "interface is down"),
    "the address is removed": ("ip address del {address}/7 dev mycelium", "interface_address is missing"),
    "all addresses are removed": ("ip -6 address flush dev mycelium", "interface_address is missing"),
    "IPv6 is switched off": ("sysctl -q -w net.ipv6.conf.mycelium.disable_ipv6=1", "interface_address is missing"),
    "the packets are smaller": ("ip link set mycelium mtu 1300", "interface_mtu is 1300"),
    "the packets are too small for IPv6": ("ip link set mycelium mtu 1000", "interface_mtu is 1000"),
    "the link is renamed": ("ip link set mycelium name odd0", "interface is renamed to odd0"),
    "the link is removed": ("ip link del mycelium", "interface is missing"),
    "the link is elsewhere": ("ip link set mycelium netns {elsewhere}", "interface is missing"),
}
OF_NETWORK = {
    **{f"of the host {row}": done for row, done in OF_HOST.items() if row in ("the route is removed", "the link is removed")},
    "the route is removed": ("ip -n {inside} -6 route del 400::/7 dev my0", "network_interface_route is missing"),
    "the link is down": ("ip -n {inside} link set my0 down", "network_interface is down"),
    "the address is removed": ("ip -n {inside} address del {own}/7 dev my0", "network_interface_address is missing"),
    "IPv6 is switched off": (
        "ip netns exec {inside} sysctl -q -w net.ipv6.conf.my0.disable_ipv6=1",
        "network_interface_address is missing",
    ),
    "all IPv6 is switched off": ("ip netns exec {inside} sysctl -q -w net.ipv6.conf.all.disable_ipv6=1", "network_ipv6 is"),
    "IPv6 is switched off for links to come": (
        "ip netns exec {inside} sysctl -q -w net.ipv6.conf.default.disable_ipv6=1",
        "network_ipv6 is",
    ),
    "the packets are smaller": ("ip -n {inside} link set my0 mtu 1300", "network_interface_mtu is 1300"),
    "the link is renamed": ("ip -n {inside} link set my0 name odd0", "network_interface is renamed to odd0"),
    "the link is removed": ("ip -n {inside} link del my0", "network_interface is missing"),
    "the loopback is down": ("ip -n {inside} link set lo down", "loopback is down"),
    "the cable is down inside": ("ip -n {inside} link set host0 down", "cable is down"),
    "the cable is down outside": ("ip link set {cable} down", "cable is down"),
    "the cable is removed": ("ip -n {inside} link del host0", "cable is missing"),
    "the cable is renamed outside": ("ip link set {cable} name odd1", "cable is missing"),
    "the cable is renamed inside": ("ip -n {inside} link set host0 name odd2", "cable is missing"),
    "the address of the cable is removed inside": ("ip -n {inside} address del {far}/64 dev host0", "cable_address is missing"),
    "the address of the cable is removed outside": ("ip address del {near}/64 dev {cable}", "cable_address is missing"),
    "it does not forward": ("ip netns exec {inside} sysctl -q -w net.ipv6.conf.all.forwarding=0", "network_forwarding is"),
    "the way back is removed": ("ip -n {inside} -6 route del {subnet} dev host0", "way_back is missing"),
    "the way to the bridge is removed": ("ip -6 route flush table all {subnet} dev {bridge}", "ways is missing"),
}


class Standing:
    """A host with a stack in one mode, which all rows of a table take from and mend."""

    def __init__(self, host: Any, mode: str) -> None:
        self.host = host
        self.elsewhere = f"{host.name}-elsewhere"
        host.namespace(self.elsewhere)
        host.become_whole()
        (host.folder / "stack.yaml").write_text(f'stack: shop\nmycelium: {{mode: {mode}, peers: ["{PEER}"]}}\n')
        host.herocloud("mycelium", "key", "create", "host", *(["shop"] if mode == "network" else []))
        self.before = host.dump()
        host.herocloud("apply", "-y")

    def names(self) -> dict[str, str]:
        found = {"elsewhere": self.elsewhere, "address": _address(self.host, "host")}
        bridge = re.search("hb-my-([0-9a-f]+)", self.host.on_host("ip -o link"))
        if bridge is None:
            return found
        inside, cable = f"herocloud-{bridge[1]}", f"hv-{bridge[1]}"
        near = re.search("inet6 (fd[^/]+)/", self.host.on_host(f"ip -6 address show dev {cable}"))
        assert near is not None
        names = {"inside": inside, "cable": cable, "bridge": bridge[0], "near": near[1], "far": f"{near[1].removesuffix('::1')}::2"}
        return {**found, **names, "own": _address(self.host, "shop"), "subnet": self.host.order({"verb": "subnet", "name": "shop"})}

    def do(self, command: str) -> None:
        hosts.run([*self.host.enter, *command.format(**self.names()).split()])

    def is_seen(self, words: str) -> None:
        field, value = words.split(" is")
        said = self.host.herocloud("drift", "--detailed-exitcode", code=2)
        assert f"overlay.{words}" in said, said
        said = self.host.herocloud("plan", "--detailed-exitcode", code=2)
        assert f"overlay.{field}{value}" in said, said
        assert "→ restored" in said


def _address(host: Any, name: str) -> str:
    return arithmetic.node_address(arithmetic.public_key(keys.read_named(host.folder, name)))


def _stand(tmp_path_factory: Any, kind: str, mode: str) -> Iterator[Standing]:
    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)
    if kind == "live" and daemons.real_daemon() is None:
        pytest.skip("the program `mycelium` is not on PATH")
    host = hosts.OverlayHost(tmp_path_factory.mktemp(f"{kind}-{mode}") / "data", kind)
    try:
        standing = Standing(host, mode)
        yield standing
        host.herocloud("destroy", "-y")
        assert host.changes_since(standing.before) == []
        assert host.processes() == []
    finally:
        host.close()


_KINDS = ["standin", pytest.param("live", marks=pytest.mark.live)]


@pytest.fixture(scope="module", params=_KINDS)
def in_host(request: Any, tmp_path_factory: Any) -> Iterator[Standing]:
    yield from _stand(tmp_path_factory, request.param, "host")


@pytest.fixture(scope="module", params=_KINDS)
def in_network(request: Any, tmp_path_factory: Any) -> Iterator[Standing]:
    yield from _stand(tmp_path_factory, request.param, "network")


def _try(standing: Standing, command: str, words: str) -> None:
    standing.do(command)
    standing.is_seen(words)
    standing.host.herocloud("apply", "-y")
    assert "No drift." in standing.host.herocloud("drift", "--detailed-exitcode")


@pytest.mark.parametrize("row", OF_HOST)
def test_on_the_host_it_is_seen_and_mended_when(in_host: Standing, row: str) -> None:
    _try(in_host, *OF_HOST[row])


@pytest.mark.parametrize("row", OF_NETWORK)
def test_in_a_network_it_is_seen_and_mended_when(in_network: Standing, row: str) -> None:
    _try(in_network, *OF_NETWORK[row])


def test_it_is_called_missing_where_another_link_took_its_name_and_the_way_out_is_named(host: Any) -> None:
    standing = Standing(host, "host")
    for command in ("ip link del mycelium", "ip link add mycelium type veth peer name theirs1"):
        host.on_host(command)
    standing.is_seen("interface is missing")
    said = host.herocloud("apply", "-y", code=1)
    assert "an interface `mycelium` that is not the daemon's is in its way; rename or remove it" in said.replace("\n", " ")
    assert "mycelium@theirs1: <" in host.on_host("ip -o link"), "it is somebody else's, and left alone"
    host.on_host("ip link set mycelium name theirs")
    host.herocloud("apply", "-y")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    assert "192.0.2.7" in host.herocloud("mycelium", "status"), "its peers are in its configuration"
    host.on_host("ip link del theirs")
    host.herocloud("destroy", "-y")
    assert host.changes_since(standing.before) == []


@pytest.mark.parametrize("route", ["unreachable 400::/7 metric 9", "400::/7 dev theirs metric 9"])
def test_another_route_that_hides_its_own_is_seen_and_left_to_whom_it_belongs(host: Any, route: str) -> None:
    standing = Standing(host, "host")
    for command in ("ip link add theirs type veth peer name theirs1", "ip link set theirs up", f"ip -6 route add {route}"):
        host.on_host(command)
    standing.is_seen(f"interface_route is hidden by {'unreachable' if 'unreachable' in route else 'theirs'}")
    said = " ".join(host.herocloud("apply", "-y", code=1).split())
    assert "hides that of the overlay daemon by `mycelium`; remove it" in said
    assert "metric 9" in host.on_host("ip -6 route")
    way_out = re.search("`ip (-6 route del [^`]+)`", said)
    assert way_out is not None
    host.on_host(f"ip {way_out[1]}")
    assert "mycelium.node   state is half made" in host.herocloud("drift", "--detailed-exitcode", code=2)
    host.herocloud("apply", "-y")
    assert "No drift." in host.herocloud("drift", "--detailed-exitcode")
    host.herocloud("destroy", "-y")


@pytest.mark.parametrize("mode", ["host", "network"])
def test_one_that_is_just_being_made_is_no_flaw(host: Any, mode: str) -> None:
    host.key()
    host.key("shop")
    name = "host" if mode == "host" else "shop"
    part = hosts.node(host.order({"verb": "subnet", "name": name}), mode=mode, key={"name": name})
    host.enable(part)
    record = "node" if mode == "host" else "networks/shop"
    first = _pid(host, record)
    os.kill(first, signal.SIGKILL)
    daemons.wait_until(lambda: _pid(host, record) != first, 60)
    seen: list[dict[str, Any]] = []

    def looks_whole() -> bool:
        seen.append(host.things()["mycelium.node"]["overlay"])
        return bool(seen[-1] == part)

    daemons.wait_until(looks_whole, 60)
    odd = {field for overlay in seen for field in overlay if "interface" in field and field not in part}
    assert odd <= {"network_interface"}, "before it has a link, and never half of one"
    host.disable(part)


def _pid(host: Any, record: str) -> int | None:
    try:
        return int((host.folder / f"mycelium/{record}/process").read_text().splitlines()[3].split()[0])
    except (OSError, IndexError, ValueError):
        return None
