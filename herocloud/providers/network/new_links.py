"""Interfaces that bear our mark from the moment they exist.

The kernel takes an alias only for an interface that it has, so one that is made bears none. Both messages go to the kernel in one call,
which works through all of it before anything else happens to this process: if it is killed, then before or after.
"""

import random
import socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from herocloud.providers import netlink

_NEW, _DELETE, _SET = 16, 17, 19
"""RTM_NEWLINK, DELLINK, SETLINK."""
_CREATE = 0x600
"""NLM_F_CREATE | NLM_F_EXCL."""
_ADDRESS, _NAME, _MTU, _INFO, _ALIAS, _BY_FAMILY = 1, 3, 4, 18, 20, 26
"""IFLA_ADDRESS, IFNAME, MTU, LINKINFO, IFALIAS, AF_SPEC."""
_KIND, _DATA = 1, 2
"""IFLA_INFO_KIND, DATA."""
_STP, _SNOOPING = 5, 23
"""IFLA_BR_STP_STATE, MCAST_SNOOPING."""
_GENERATES = 8
"""IFLA_INET6_ADDR_GEN_MODE."""
_NUMBERS = range(1 << 24, 1 << 30)
"""Far above what the kernel has got to: no interface that is made at the same moment gets the number of ours."""

# Without spanning tree a port works at once; without snooping neighbor discovery needs no querier.
BRIDGE: Mapping[int, bytes] = {_STP: struct.pack("=I", 0), _SNOOPING: struct.pack("=B", 0)}
"""The settings of a bridge from its first moment on."""


class NewLink(NamedTuple):
    """An interface that is to be made."""

    name: str
    kind: str
    """`bridge` or `ifb`."""
    mac: str
    alias: str
    mtu: int = 0
    settings: Mapping[int, bytes] = {}


def make(link: NewLink) -> int:
    """Make an interface with its alias and without addresses of its own, down, and return its number."""
    number = random.choice(_NUMBERS)  # noqa: S311  (nobody has to guess it)
    info = {_KIND: _text(link.kind), **({_DATA: _attributes(link.settings)} if link.settings else {})}
    made = {
        _NAME: _text(link.name),
        _ADDRESS: bytes.fromhex(link.mac.replace(":", "")),
        **({_MTU: struct.pack("=I", link.mtu)} if link.mtu else {}),
        _INFO: _attributes(info),
    }
    no_addresses = _attributes({socket.AF_INET6: _attributes({_GENERATES: struct.pack("=B", 1)})})
    marked = {_ALIAS: _text(link.alias), _BY_FAMILY: no_addresses}
    # By its number: whatever has this name when the first message is refused is somebody else's.
    refused = netlink.change([(_NEW, _CREATE, _head(number) + _attributes(made)), (_SET, 0, _head(number) + _attributes(marked))])
    first = next((error for error in refused if error is not None), None)
    if first is None:
        return number
    if refused[0] is None:
        netlink.change([(_DELETE, 0, _head(number))])
    raise first


def _head(number: int) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, number, 0, 0)


def _attributes(values: Mapping[int, bytes]) -> bytes:
    return b"".join(struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in values.items())


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
