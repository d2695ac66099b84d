"""Entries that somebody fixed about who is where on a bridge: which port a MAC is behind, and which MAC an address has.

The kernel learns both from what guests send, and rules see to it that they send nothing false. An entry that is fixed by hand overrules
that: frames of one guest go to another's port, or what the host sends to an address goes to a MAC of somebody else. None of them is ever
made by us on the bridge of a network, so whatever is there is taken away. What was only learned or may be learned again corrects itself.
"""

import socket
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from herocloud.providers import netlink

_GET, _DELETE = 30, 29
"""RTM_GETNEIGH, DELNEIGH."""
_HEAD = struct.Struct("=BxxxiHBB")
_NUMBER = struct.Struct("=I")
_BRIDGE = 7
_ADDRESS, _MAC, _VLAN, _MASTER = 1, 2, 5, 9
"""NDA_DST, LLADDR, VLAN, MASTER."""
_WANTED = frozenset({_ADDRESS, _MAC, _VLAN, _MASTER})
_STATIC, _PERMANENT = 0x40, 0x80
"""NUD_NOARP, PERMANENT."""
_SELF, _BY_MASTER, _PROXY, _FROM_OUTSIDE, _STICKY = 0x02, 0x04, 0x08, 0x10, 0x40
"""NTF_SELF, MASTER, PROXY, EXT_LEARNED, STICKY."""
_FIXED, _HELD = _STATIC | _PERMANENT, _FROM_OUTSIDE | _STICKY


class Entry(NamedTuple):
    """One entry of the kernel's tables."""

    family: int
    link: int
    """The port that a MAC is behind, or the interface that an address is reached by."""
    bridge: int
    mac: str
    address: str = ""
    """Empty where it says which port a MAC is behind."""
    vlan: bytes = b""
    state: int = 0
    flags: int = 0

    def words(self, name: str) -> str:
        """Describe it; `name` is that of its interface."""
        if not self.address:
            return f"{self.mac} behind {name}"
        return f"{self.address} answered for" if self.flags & _PROXY else f"{self.address} is {self.mac}"


def dump() -> tuple[Entry, ...]:
    """Read every entry that is not simply learned."""
    found: list[Entry] = []
    for family, flags, kind in ((_BRIDGE, 0, _port_entries), (0, 0, _neighbors), (socket.AF_INET, _PROXY, _neighbors)):
        for body in netlink.dump(_GET, _HEAD.pack(family, 0, 0, flags, 0)):
            found += kind(body)
    for body in netlink.dump(_GET, _HEAD.pack(socket.AF_INET6, 0, 0, _PROXY, 0)):
        found += _neighbors(body)
    return tuple(found)


def odd_of(entries: tuple[Entry, ...], bridge: int, macs: Mapping[int, str]) -> Iterator[Entry]:
    """Yield those that somebody fixed on a bridge; `macs` are those of all interfaces, which a bridge knows by itself."""
    for entry in entries:
        if entry.bridge != bridge:
            continue
        of_interface = not entry.address and entry.state & _PERMANENT and entry.mac in (macs.get(entry.link), macs.get(bridge))
        if not of_interface:
            yield entry


def forget(entry: Entry) -> None:
    """Take an entry away; one that has gone meanwhile does no harm."""
    values = (
        {_ADDRESS: socket.inet_pton(entry.family, entry.address)} if entry.address else {_MAC: bytes.fromhex(entry.mac.replace(":", ""))}
    )
    if entry.vlan:
        values[_VLAN] = entry.vlan
    flags = entry.flags & _PROXY if entry.address else _SELF if entry.link == entry.bridge else _BY_MASTER
    body = _HEAD.pack(entry.family, entry.link, 0, flags, 0)
    body += b"".join(struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in values.items())
    refused = netlink.change([(_DELETE, 0, body)])[0]
    if refused is not None and not isinstance(refused, FileNotFoundError):
        raise refused


def _port_entries(body: bytes) -> Iterator[Entry]:
    _, number, state, flags, _ = _HEAD.unpack_from(body)
    if not (state & _FIXED or flags & _HELD):
        return
    seen = netlink.attributes(body, _HEAD.size, _WANTED)
    # What belongs to a device and to no bridge is its own filter of what it hears.
    if _MASTER in seen and _MAC in seen:
        yield Entry(_BRIDGE, number, _NUMBER.unpack(seen[_MASTER])[0], seen[_MAC].hex(":"), "", seen.get(_VLAN, b""), state, flags)


def _neighbors(body: bytes) -> Iterator[Entry]:
    family, number, state, flags, _ = _HEAD.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6) or not (state & _FIXED or flags & (_HELD | _PROXY)):
        return
    seen = netlink.attributes(body, _HEAD.size, _WANTED)
    address, mac = seen.get(_ADDRESS, b""), seen.get(_MAC, b"")
    # Addresses of a group and of everybody have a fixed MAC of a group, which the kernel sets by itself.
    of_many = state & _STATIC and mac[:1] and mac[0] & 1
    if len(address) == _SIZES[family] and not of_many:
        yield Entry(family, number, number, mac.hex(":"), socket.inet_ntop(family, address), b"", state, flags)


_SIZES = {socket.AF_INET: 4, socket.AF_INET6: 16}
