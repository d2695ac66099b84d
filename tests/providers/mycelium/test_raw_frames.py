"""A guest that ignores its seed: raw frames pass neither the guard of its tap, nor its neighbor's openings, nor the MTU."""

from typing import Any

import daemons
import hosts
import pytest

from tests.providers.network import frames

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

UDP = 17
WORDS = b"a datagram with words in it"


@pytest.fixture
def neighbors(host: Any) -> Any:
    host.subnet = host.key()
    host.part = hosts.node(host.subnet)
    host.enable(host.part)
    host.one = host.guest(1, host.subnet)
    host.two = host.guest(2, host.subnet, open=["53/udp"])
    host.gateway_mac = host.on_host("cat /sys/class/net/hb-mycelium/address").strip()
    return host


def _udp(port: int, body: bytes, source: str, target: str) -> bytes:
    import ipaddress
    import struct

    head = struct.pack("!HHH", 4000, port, 8 + len(body))
    pseudo = ipaddress.IPv6Address(source).packed + ipaddress.IPv6Address(target).packed + struct.pack("!II", 8 + len(body), UDP)
    data = pseudo + head + b"\0\0" + body + (b"\0" if len(body) % 2 else b"")
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head + struct.pack("!H", ~total & 0xFFFF or 0xFFFF) + body


def _frame(site: Any, port: int, *, source: str | None = None, mac: str | None = None, to: str | None = None, body: bytes = WORDS) -> bytes:
    import struct

    sender, target = source or site.one.nic["address"], site.two.nic["address"]
    packet = frames.ipv6(sender, target, _udp(port, body, sender, target), UDP)
    macs = [bytes.fromhex(text.replace(":", "")) for text in (to or site.gateway_mac, mac or site.one.nic["mac"])]
    return b"".join(macs) + struct.pack("!H", 0x86DD) + packet


def _arrives(site: Any, frame: bytes, body: bytes = WORDS) -> bool:
    site.two.seen()
    site.one.send(frame)
    honest = b"the honest one that comes after"
    site.one.send(_frame(site, 53, body=honest))
    seen: list[bytes] = []

    def after() -> bool:
        seen.extend(site.two.seen())
        return any(honest in one for one in seen)

    daemons.wait_until(after, 20)
    return any(body in one for one in seen)


def test_only_honest_frames_to_open_ports_arrive(neighbors: Any) -> None:
    site = neighbors
    assert _arrives(site, _frame(site, 53)), "by way of the host, to a port that is open"
    tricks = {
        "a closed port": _frame(site, 54),
        "the neighbor's MAC": _frame(site, 53, to=site.two.nic["mac"]),
        "everybody's MAC": _frame(site, 53, to="ff:ff:ff:ff:ff:ff"),
        "an address of the neighbor": _frame(site, 53, source=site.two.nic["address"]),
        "an address of nobody": _frame(site, 53, source=site.subnet.replace("::/64", ":ff0f::9")),
        "an address outside": _frame(site, 53, source="2001:db8::1"),
        "a foreign MAC": _frame(site, 53, mac="02:00:00:00:00:09"),
    }
    assert [name for name, frame in tricks.items() if _arrives(site, frame)] == []


def test_what_is_larger_than_the_overlay_carries_does_not_leave_the_host(neighbors: Any) -> None:
    site = neighbors
    assert site.on_host("cat /sys/class/net/hb-mycelium/mtu").strip() == "1400"
    assert site.on_host("cat /sys/class/net/hc-v1-0/mtu").strip() == "1400"
    fits, too_large = b"f" * (1400 - 48), b"l" * (1401 - 48)
    assert _arrives(site, _frame(site, 53, body=fits), fits)
    assert not _arrives(site, _frame(site, 53, body=too_large), too_large)
