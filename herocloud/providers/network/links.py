"""Changing interfaces, addresses and queues: the one module that knows pyroute2.

One connection for a driver, used by one thread at a time; making it and importing the library is put off until something is to be done.
"""

import errno
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from herocloud.kits import faults
from herocloud.model.errors import Conflict, HerocloudError, Permanent, Temporary
from herocloud.providers.network import bridge_settings, fixed_entries, new_links, strange_routes
from herocloud.providers.network.dumps import Link, Route
from herocloud.providers.network.fixed_entries import Entry
from herocloud.providers.network.marks import Port
from herocloud.providers.network.new_links import NewLink

EFFECT = "network.effect"
"""The fault point before every single change of the world, whichever module makes it."""

_LEAST_MTU_OF_IPV6 = 1280
_QUEUE_OF_TAP = 1000
"""Frames, as for a new one."""
_NO_ADDRESSES = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", 1]]}]]}
"""No link-local address of the host's own on bridges and taps: guests would have a way to it that no rule of theirs names."""
_MISSING = {
    "bridge": "bridges (module bridge)",
    "ifb": "upload limits (module ifb)",
    "tbf": "rate limits (module sch_tbf)",
    "port": "isolated bridge ports (since Linux 4.18)",
}

_PROXY = 0x08
"""NTF_PROXY."""

MOST = 2**32 - 1
"""Bytes a second that a bucket counts with: 34 Gbit/s."""

_SMALLEST_BURST = 1540
"""A bucket that holds less than one frame lets none through."""
_BURST_TIMES, _BURST_SHARE = 4, 250
_LATENCY_MS = 50
_LARGEST_LIMIT = 2**31 - 1


class Bucket(NamedTuple):
    """What a token bucket is set to.

    Download (towards the guest) is a bucket on the tap, upload one on a device that the tap's packets are sent through. Policing would
    need no device, and TCP under it swings between nothing and too much. The figures of the buckets are hypeman's.
    """

    rate: int
    burst: int
    limit: int
    """Bytes that may wait; what comes on top is dropped."""


def make_bucket(rate: int) -> Bucket:
    """Return the bucket for a rate in bytes a second."""
    burst = max(rate * _BURST_TIMES // _BURST_SHARE, _SMALLEST_BURST)
    return Bucket(rate, burst, min(rate * _LATENCY_MS // 1000 + burst, _LARGEST_LIMIT))


class Wires:
    """A connection to the kernel's networking, opened when it is first needed."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._lock = threading.Lock()
        self._route: Any = None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._route is not None:
                self._route.close()
                self._route = None

    def add_bridge(self, name: str, mac: str, mtu: int, alias: str) -> int:
        """Make a bridge with its mark, down, and return its number."""
        # The MTU follows that of the ports until it is changed for the first time, so it begins with another than `set_bridge` gives it.
        return self._make("the bridge", NewLink(name, "bridge", mac, alias, mtu - 1, new_links.BRIDGE))

    def add_detour(self, name: str, mac: str, alias: str) -> int:
        """Make the device that slows an upload down, with its mark, and return its number."""
        return self._make("the device", NewLink(name, "ifb", mac, alias))

    @staticmethod
    def _make(what: str, link: NewLink) -> int:
        faults.reached(EFFECT)
        try:
            return new_links.make(link)
        except OSError as error:
            raise _explain(error.errno or 0, link.kind, f"{what} `{link.name}`") from error

    def mark_detour(self, number: int, alias: str) -> None:
        """Write the mark on a device that lost it, and with it, at once, that it gets no addresses: a marked one is a whole one."""
        with self._talking("ifb", "an interface") as route:
            route.link("set", index=number, ifalias=alias, IFLA_AF_SPEC=_NO_ADDRESSES)

    def set_bridge(self, number: int, mac: str, mtu: int) -> None:
        """Bring a bridge to its settings, and up."""
        with self._talking("bridge", "a bridge") as route:
            route.link("set", index=number, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
            route.link("set", index=number, address=mac, mtu=mtu, state="up", IFLA_AF_SPEC=_NO_ADDRESSES)

    def restore_mtu(self, link: Link, mtu: int) -> None:
        """Give an interface its MTU back where it is too small for IPv6, which takes an address of its own unless the link is down then."""
        if link.mtu < _LEAST_MTU_OF_IPV6:
            with self._talking("", "an interface") as route:
                route.link("set", index=link.number, state="down")
                route.link("set", index=link.number, mtu=mtu)
                route.link("set", index=link.number, IFLA_AF_SPEC=_NO_ADDRESSES)

    def reset_bridge(self, number: int, odd: Collection[str]) -> None:
        """Give a bridge back those settings that we never change (see `bridge_settings`); not every kernel has all of them."""
        settings = {setting.name: setting.value for setting in bridge_settings.BRIDGE.values() if setting.name in odd}
        with self._talking("bridge", "a bridge") as route:
            if settings:
                route.link("set", index=number, kind="bridge", **settings)
            # IFF_NOARP, off.
            route.link("set", index=number, flags=0, change=0x80)

    def reset_tap(self, number: int, odd: Collection[str]) -> None:
        """Have a tap pass frames on again to the process that has it open."""
        with self._talking("", "a tap") as route:
            if "txqueuelen" in odd:
                route.link("set", index=number, txqlen=_QUEUE_OF_TAP)
            if "mode" in odd:
                # By a plain name pyroute2 leaves it out.
                route.link("set", index=number, attrs=[("IFLA_LINKMODE", 0)])
            if "on hold" in odd:
                route.link("set", index=number, attrs=[("IFLA_OPERSTATE", "UP")])

    def leave_bridge(self, number: int) -> None:
        """Take a port down and out of its bridge: when it comes back, every setting of it is that of a new one."""
        with self._talking("port", "a port", fine=(errno.ENODEV,)) as route:
            route.link("set", index=number, state="down")
            route.link("set", index=number, master=0)

    def drop_program(self, number: int) -> None:
        """Take away a program that handles frames before anything else does."""
        with self._talking("", "an interface") as route:
            route.link("set", index=number, xdp_fd=-1)

    def drop_queue(self, number: int, kind: str) -> None:
        """Take a queue away that somebody else put there."""
        with self._talking("", "an interface", fine=(errno.ENOENT, errno.EINVAL, errno.ENODEV)) as route:
            route.tc("del", kind, number, parent=0xFFFFFFFF)

    def drop_ingress(self, number: int, kind: str) -> None:
        """Take away what is hooked in where frames come in."""
        with self._talking("", "an interface", fine=(errno.ENOENT, errno.EINVAL, errno.ENODEV)) as route:
            route.tc("del", kind, number, parent=0xFFFFFFF1)

    def set_alias(self, number: int, alias: str) -> None:
        """Write the mark on an interface."""
        with self._talking("", "an interface") as route:
            route.link("set", index=number, ifalias=alias)

    def set_tap(self, number: int, alias: str, mac: str, bridge: Link, port: Port, *, new: bool) -> None:
        """Make a tap a port of its bridge, and bring it up; its alias, which calls it finished, comes last."""
        with self._talking("port", "a tap") as route:
            route.link("set", index=number, address=mac, mtu=bridge.mtu, master=bridge.number, IFLA_AF_SPEC=_NO_ADDRESSES)
            # Isolated before it is up: not one frame may reach a neighbour that must not be reached.
            if not new or any(port):
                route.brport("set", index=number, isolated=int(port.isolated), mode=int(port.hairpin))
            route.link("set", index=number, state="up")
            route.link("set", index=number, ifalias=alias)

    def set_port(self, number: int, port: Port) -> None:
        """Set how a bridge treats a port."""
        with self._talking("port", "a port") as route:
            route.brport("set", index=number, isolated=int(port.isolated), mode=int(port.hairpin))

    def bring_up(self, number: int) -> None:
        """Bring an interface up."""
        with self._talking("", "an interface") as route:
            route.link("set", index=number, state="up")

    def plug_in(self, number: int) -> None:
        """Give a tap its carrier back; one that nobody has open any more gets it when it is opened (EPERM)."""
        with self._talking("", "a tap", fine=(errno.EPERM,)) as route:
            # By a plain name pyroute2 leaves it out.
            route.link("set", index=number, attrs=[("IFLA_CARRIER", 1)])

    def remove(self, number: int) -> None:
        """Remove an interface; one that is gone is fine."""
        with self._talking("", "an interface", fine=(errno.ENODEV,)) as route:
            route.link("del", index=number)

    def add_address(self, number: int, address: str, prefix: int) -> None:
        """Give an interface an address."""
        with self._talking("", f"the address {address}", fine=(errno.EEXIST,)) as route:
            route.addr("add", index=number, address=address, prefixlen=prefix)

    def remove_address(self, number: int, address: str, prefix: int) -> None:
        """Take an address from an interface."""
        with self._talking("", f"the address {address}", fine=(errno.EADDRNOTAVAIL,)) as route:
            route.addr("del", index=number, address=address, prefixlen=prefix)

    def lead(self, number: int, cidr: str, source: str) -> None:
        """Put back the routes that came with an address."""
        faults.reached(EFFECT)
        strange_routes.make(number, cidr, source)

    def remove_route(self, found: Route) -> None:
        """Take away a route that somebody made."""
        way = {"oif": found.link} if found.link else {}
        with self._talking("", f"the route to {found.destination}", fine=(errno.ESRCH, errno.ENODEV)) as route:
            # RT_SCOPE_NOWHERE matches every scope.
            route.route(
                "del", dst=f"{found.destination}/{found.prefix}", table=found.table, type=found.kind, tos=found.tos, scope=255, **way
            )

    def add_proxy(self, number: int, address: str) -> None:
        """Answer for a guest whose neighbors cannot hear it."""
        with self._talking("", f"the proxy for {address}", fine=(errno.EEXIST,)) as route:
            route.neigh("add", family=socket.AF_INET6, ifindex=number, dst=address, flags=_PROXY)

    def remove_proxy(self, number: int, address: str) -> None:
        """Stop answering for a guest."""
        with self._talking("", f"the proxy for {address}", fine=(errno.ENOENT, errno.ENODEV)) as route:
            route.neigh("del", family=socket.AF_INET6, ifindex=number, dst=address, flags=_PROXY)

    def forget(self, entry: Entry) -> None:
        """Take away what somebody fixed about who is where."""
        faults.reached(EFFECT)
        fixed_entries.forget(entry)

    def limit(self, number: int, rate: int) -> None:
        """Limit what an interface sends."""
        if rate > MOST:
            raise Permanent(f"a limit of {rate} bytes/s is above what a queue counts with, {MOST}; leave the limit out")
        bucket = make_bucket(rate)
        with self._talking("tbf", "a rate limit") as route:
            route.tc("replace", "tbf", number, 0x10000, rate=bucket.rate, burst=bucket.burst, limit=bucket.limit)

    def unlimit(self, number: int) -> None:
        """Take a limit away; none there is fine."""
        with self._talking("tbf", "a rate limit", fine=(errno.ENOENT, errno.EINVAL, errno.ENODEV)) as route:
            route.tc("del", index=number, root=True)

    @contextmanager
    def _talking(self, feature: str, what: str, fine: tuple[int, ...] = ()) -> Iterator[Any]:
        from pyroute2.netlink.exceptions import NetlinkError

        with self._lock:
            if self._route is None:
                from pyroute2 import IPRoute

                self._route = IPRoute()
            faults.reached(EFFECT)
            try:
                yield self._route
            except NetlinkError as error:
                if error.code not in fine:
                    raise _explain(error.code, feature, what) from error


def _explain(code: int, feature: str, what: str) -> HerocloudError:
    name = errno.errorcode.get(code, str(code))
    if code in (errno.EPERM, errno.EACCES):
        return Permanent(f"{what} needs CAP_NET_ADMIN, which this process does not have; run it as root")
    if code in (errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT) and feature in _MISSING:
        return Permanent(f"this kernel lacks {_MISSING[feature]}; load or build in the module")
    if code == errno.EEXIST:
        return Conflict(f"{what} is there already, and was not a moment ago")
    if code in (errno.EBUSY, errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM):
        return Temporary(f"the kernel cannot change {what} just now ({name})")
    return Permanent(f"the kernel refused to change {what} ({name})")
