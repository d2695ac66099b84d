"""Endpoints of peers: the text in a stack file, and the two JSON shapes in which daemons show them. Pure.

Until 0.7.5 a daemon answers `{"proto": "tcp", "socketAddr": "1.2.3.4:9651"}`, since 0.7.6 `{"proto": "tcp", "addr": {"socket": …}}` or
`{"proto": "vsock", "addr": {"vsock": {"cid": 2, "port": 9651}}}`; its own OpenAPI file still has the old one. Peers are compared as the
daemon compares them: `tcp://[2A01::0:1]:9651` and `tcp://[2a01::1]:9651` are one.
"""

import ipaddress
import re
from typing import Any, NewType

Endpoint = NewType("Endpoint", str)
"""A normalized endpoint: lower-case protocol, shortest form of the address."""

_TEXT = re.compile(r"(?i)(tcp|tls|quic)://(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_VSOCK = re.compile(r"(?i)vsock://([0-9]{1,10}):([0-9]{1,10})")


def normalize(text: str) -> Endpoint:
    """Return an endpoint in the one form that is compared; raises ValueError for what no daemon takes."""
    if match := _VSOCK.fullmatch(text):
        cid, port = (int(number) for number in match.groups())
        if max(cid, port) >= 2**32:
            raise ValueError(f"`{text}` has a number that does not fit 32 bits")
        return Endpoint(f"vsock://{cid}:{port}")
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is not an endpoint; write it like `tcp://188.40.132.242:9651` or `quic://[2a01:4f8::1]:9651`")
    protocol, sixth, fourth, port_text = match.groups()
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    address = ipaddress.IPv6Address(sixth) if sixth else ipaddress.IPv4Address(fourth)
    port = int(port_text)
    if not 1 <= port <= 65535:
        raise ValueError(f"`{text}` has a port outside 1 to 65535")
    return Endpoint(f"{protocol.lower()}://{f'[{address}]' if sixth else address}:{port}")


def read(shape: Any) -> Endpoint:
    """Read an endpoint as a daemon shows it, in either shape; raises ValueError for anything else."""
    try:
        protocol = str(shape["proto"]).lower()
        where = shape["addr"] if "addr" in shape else {"socket": shape["socketAddr"]}
        if "vsock" in where:
            return Endpoint(f"vsock://{int(where['vsock']['cid'])}:{int(where['vsock']['port'])}")
        host, _, port = str(where["socket"]).rpartition(":")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the daemon shows an endpoint in a form that is not known: {shape!r}") from error
    # Discovered peers have link-local addresses with a zone, which names an interface and is not part of a declared endpoint.
    zone = host.strip("[]").partition("%")
    address = ipaddress.ip_address(zone[0])
    text = f"[{address}{zone[1]}{zone[2]}]" if address.version == 6 else str(address)
    return Endpoint(f"{protocol}://{text}:{int(port)}")
