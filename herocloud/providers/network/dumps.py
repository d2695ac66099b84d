"""What the kernel tells of links, addresses, routes and queues, one netlink dump each.

Every plan looks, and pyroute2 costs 110 ms to import and 1 ms a link to read; this reads the dozen attributes that we compare and
takes 20 microseconds a link. Changing things goes through pyroute2 (`linking`), where neither matters.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from herocloud.model.errors import Permanent
from herocloud.providers import netlink
from herocloud.providers.network import bridge_settings

UP = 0x1
"""IFF_UP."""
_NO_ARP = 0x80
"""IFF_NOARP."""
_OPERATING, _ON_HOLD = b"\x06", (b"\x04", b"\x05")
"""IF_OPER_UP, TESTING, DORMANT."""

_NUMBER = struct.Struct("=I")
_GET_LINK, _GET_ADDRESS, _GET_ROUTE, _GET_NEIGHBOR, _GET_QUEUE = 18, 22, 26, 30, 38
_SKIP_STATISTICS = struct.pack("=HHI", 8, 29, 1 << 3)
_OF_LINK = frozenset({1, 3, 4, 10, 13, 16, 17, 18, 20, 33, 43})
"""IFLA_ADDRESS, IFNAME, MTU, MASTER, TXQLEN, OPERSTATE, LINKMODE, LINKINFO, IFALIAS, CARRIER, XDP."""
_OF_INFO = frozenset({1, 2, 4, 5})
"""IFLA_INFO_KIND, DATA, SLAVE_KIND, SLAVE_DATA."""
_OF_TUN = frozenset({1, 7})
"""IFLA_TUN_OWNER, MULTI_QUEUE."""
_OF_XDP = frozenset({2})
"""IFLA_XDP_ATTACHED."""
_OF_ADDRESS = frozenset({1, 2})
"""IFA_ADDRESS, LOCAL."""
_OF_ROUTE = frozenset({1, 4, 5, 7, 15, 18, 22})
"""RTA_DST, OIF, GATEWAY, PREFSRC, TABLE, VIA, ENCAP."""
_INDIRECT = frozenset({5, 18, 22})
_OF_QUEUE = frozenset({1, 2})
"""TCA_KIND, OPTIONS."""
_OF_BUCKET = frozenset({1, 4})
"""TCA_TBF_PARMS, RATE64."""
_TICK = 64
"""Nanoseconds in which queues count time."""
UNICAST = 1
"""RTN_UNICAST: routes that lead somewhere, and not those to ourselves or to everybody."""
_OF_NEIGHBOR = frozenset({1})
"""NDA_DST."""
_PROXY = 0x08
"""NTF_PROXY."""
_ROOT, _INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
_WIDEST = 1
"""Routes this wide are ways out and no claim on what lies in them."""


class Link(NamedTuple):
    """An interface."""

    number: int
    name: str
    mac: str = ""
    alias: str = ""
    mtu: int = 0
    up: bool = False
    master: int = 0
    """The number of the bridge that it is a port of; 0 without."""
    kind: str = ""
    """`bridge`, `tun`, `ifb` … as the kernel calls it; empty for hardware."""
    stp: bool = False
    isolated: bool = False
    """As a port: it does not reach other isolated ports of its bridge."""
    hairpin: bool = False
    """As a port: it is sent back what it sent itself."""
    multi_queue: bool = False
    owner: int | None = None
    """The user who may open a tap."""
    carrier: bool = True
    """Whether it is plugged in. A tap is while somebody has it open."""
    odd: tuple[str, ...] = ()
    """Settings of a bridge, of a port or of frames at their entry that are not those of a new one; we never set them."""
    lost_mark: str = ""
    """`gone` or `changed` where it is ours and its alias does not say so; `alias` is then what it ought to be (see `missing_marks`)."""


class Address(NamedTuple):
    """An address of an interface."""

    link: int
    address: str
    prefix: int


class Route(NamedTuple):
    """Where packets to a range go."""

    link: int
    destination: str
    prefix: int
    table: int
    kind: int = UNICAST
    gateway: bool = False
    """Whether they go through another host, or a tunnel."""
    tos: int = 0
    """The type of service of the only packets that it is for."""
    source: str = ""
    """The address that the host gives as its own there; empty where it is free to choose."""


class Claim(NamedTuple):
    """A range of addresses that the host has, or reaches some other way than by its default route."""

    cidr: str
    what: str
    """In words."""
    link: Link | None
    route: Route | None = None


class Queue(NamedTuple):
    """A queue that an interface sends through, or what is hooked in where its frames come in."""

    link: int
    kind: str
    rate: int | None
    """Bytes a second."""
    burst: int | None = None
    limit: int | None = None
    peak: bool = False
    """Whether there is a second limit."""
    own: bool = True
    """Somebody made it; the others come with an interface."""
    ingress: bool = False
    inner: bool = False
    """Whether it stands in another one."""


def dump_links() -> tuple[Link, ...]:
    """Read all interfaces."""
    return tuple(_link(body) for body in netlink.dump(_GET_LINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0) + _SKIP_STATISTICS))


def dump_addresses() -> tuple[Address, ...]:
    """Read all addresses."""
    return tuple(_address(body) for body in netlink.dump(_GET_ADDRESS, struct.pack("=BBBBi", 0, 0, 0, 0, 0)))


def dump_routes() -> tuple[Route, ...]:
    """Read all routes."""
    return tuple(route for body in netlink.dump(_GET_ROUTE, struct.pack("=BBBBBBBBI", *[0] * 9)) for route in _routes(body))


def dump_queues() -> tuple[Queue, ...]:
    """Read what interfaces send through."""
    return tuple(queue for body in netlink.dump(_GET_QUEUE, struct.pack("=BxxxiIII", *[0] * 5)) for queue in _queues(body))


def dump_proxies() -> frozenset[tuple[int, str]]:
    """Read for which IPv6 addresses this host answers in place of a guest: pairs of interface and address."""
    return frozenset(_proxy(body) for body in netlink.dump(_GET_NEIGHBOR, struct.pack("=BxxxiHBB", socket.AF_INET6, 0, 0, _PROXY, 0)))


def network_of(address: str, prefix: int) -> str:
    """Return the IPv4 network that an address lies in: `10.42.0.1` with 24 is in `10.42.0.0/24`."""
    number = int.from_bytes(socket.inet_aton(address)) >> (32 - prefix) << (32 - prefix)
    return f"{socket.inet_ntoa(number.to_bytes(4))}/{prefix}"


def claims(
    links: Iterable[Link], addresses: Iterable[Address], routes: Iterable[Route], skipped: Callable[[Link], bool]
) -> Iterator[Claim]:
    """Yield every range of IPv4 that the host has or reaches some other way than by its default route.

    Ways out count for nothing: the default route, and the halves in which some VPNs split theirs. `skipped` interfaces claim nothing.
    """
    by_number = {link.number: link for link in links}
    for address in addresses:
        link = by_number.get(address.link)
        if ":" not in address.address and link is not None and not skipped(link):
            # The exact address counts, and the network that it lies in: both are reached through that interface.
            yield Claim(network_of(address.address, address.prefix), f"{address.address}/{address.prefix} on `{link.name}`", link)
    for route in routes:
        link = by_number.get(route.link)
        if route.kind == UNICAST and ":" not in route.destination and route.prefix > _WIDEST and (link is None or not skipped(link)):
            through = f" through `{link.name}`" if link else ""
            range_ = f"{route.destination}/{route.prefix}"
            yield Claim(range_, f"the route to {range_}{through}", link, route)


def require_admin() -> None:
    """Refuse to work without CAP_NET_ADMIN."""
    if not netlink.has_admin():
        raise Permanent("networks need CAP_NET_ADMIN, which this process does not have; run it as root")


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _link(body: bytes) -> Link:
    _, _, number, flags, _ = struct.unpack_from("=BxHiII", body)
    seen = netlink.attributes(body, 16, _OF_LINK)
    about = netlink.attributes(seen.get(18, b""), 0, _OF_INFO)
    kind = _text(about.get(1, b""))
    bridge = netlink.attributes(about[2], 0, bridge_settings.OF_BRIDGE) if kind == "bridge" and 2 in about else {}
    tun = netlink.attributes(about[2], 0, _OF_TUN) if kind == "tun" and 2 in about else {}
    port = netlink.attributes(about[5], 0, bridge_settings.OF_PORT) if 5 in about and about.get(4) == b"bridge\0" else {}
    return Link(
        number=number,
        name=_text(seen.get(3, b"")),
        mac=seen.get(1, b"").hex(":"),
        alias=_text(seen.get(20, b"")),
        mtu=_NUMBER.unpack(seen[4])[0] if 4 in seen else 0,
        up=bool(flags & UP),
        master=_NUMBER.unpack(seen[10])[0] if 10 in seen else 0,
        kind=kind,
        stp=any(bridge.get(5, b"")),
        isolated=any(port.get(33, b"")),
        hairpin=any(port.get(4, b"")),
        multi_queue=any(tun.get(7, b"")),
        owner=_NUMBER.unpack(tun[1])[0] if 1 in tun else None,
        carrier=any(seen.get(33, b"\1")),
        odd=(
            *bridge_settings.odd_of_bridge(bridge),
            *bridge_settings.odd_of_port(port, works=seen.get(16) == _OPERATING),
            *(("xdp",) if any(netlink.attributes(seen.get(43, b""), 0, _OF_XDP).get(2, b"")) else ()),
            *(("noarp",) if kind == "bridge" and flags & _NO_ARP else ()),
            *(_odd_of_tap(seen) if kind == "tun" else ()),
        ),
    )


def _odd_of_tap(seen: Mapping[int, bytes]) -> Iterator[str]:
    """Name what keeps frames from the process that has a tap open, while the tap is up and plugged in."""
    if not any(seen.get(13, b"\1")):
        yield "txqueuelen"
    if any(seen.get(17, b"")):
        yield "mode"
    if seen.get(16) in _ON_HOLD:
        yield "on hold"


def _address(body: bytes) -> Address:
    family, prefix, _, _, number = struct.unpack_from("=BBBBi", body)
    seen = netlink.attributes(body, 8, _OF_ADDRESS)
    # IFA_LOCAL is ours; IFA_ADDRESS is the other end on links between two.
    return Address(number, _ip(family, seen.get(2) or seen.get(1, b"")), prefix)


def _routes(body: bytes) -> Iterator[Route]:
    family, prefix, _, tos, table, _, _, kind, _ = struct.unpack_from("=BBBBBBBBI", body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    seen = netlink.attributes(body, 12, _OF_ROUTE)
    destination = _ip(family, seen.get(1, bytes(4 if family == socket.AF_INET else 16)))
    link, number = (_NUMBER.unpack(seen[name])[0] if name in seen else usual for name, usual in ((4, 0), (15, table)))
    yield Route(link, destination, prefix, number, kind, not _INDIRECT.isdisjoint(seen), tos, _ip(family, seen.get(7, b"")))


def _proxy(body: bytes) -> tuple[int, str]:
    family, number, _, _, _ = struct.unpack_from("=BxxxiHBB", body)
    return number, _ip(family, netlink.attributes(body, 12, _OF_NEIGHBOR).get(1, b""))


def _queues(body: bytes) -> Iterator[Queue]:
    number, handle, parent, _ = struct.unpack_from("=xxxxiIII", body)
    seen = netlink.attributes(body, 20, _OF_QUEUE)
    kind = _text(seen.get(1, b""))
    # What comes with an interface has no handle.
    queue = Queue(number, kind, None, own=bool(handle), ingress=parent == _INGRESS, inner=parent not in (_ROOT, _INGRESS))
    options = netlink.attributes(seen.get(2, b""), 0, _OF_BUCKET) if kind == "tbf" else {}
    if 1 in options:
        rate, peak, limit, ticks = struct.unpack_from("=8xI8xIII", options[1])
        rate = struct.unpack("=Q", options[4])[0] if 4 in options else rate
        # The kernel keeps how long a bucket takes to empty, and not its size.
        queue = queue._replace(rate=rate, burst=round(ticks * _TICK * rate / 1e9), limit=limit, peak=bool(peak))
    yield queue


def _ip(family: int, packed: bytes) -> str:
    if len(packed) != (4 if family == socket.AF_INET else 16):
        return ""
    return socket.inet_ntop(family, packed)
