"""Raw frames, as a guest with ideas of its own would make them."""

import socket
import struct
from collections.abc import Callable
from typing import Any

EVERYBODY = "ff:ff:ff:ff:ff:ff"
BRIDGES = "01:80:c2:00:00:00"
IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ethernet(source: str, kind: int, body: bytes, target: str = EVERYBODY, tags: tuple[int, ...] = ()) -> bytes:
    """Return a frame; `tags` are the kinds of VLAN tags in front, outermost first."""
    tagged = b"".join(struct.pack("!HH", tag, 7) for tag in tags)
    return mac(target) + mac(source) + tagged + struct.pack("!H", kind) + body.ljust(46, b"\0")


def arp(sender_mac: str, sender: str, target: str, operation: int = 2, hardware: int = 1) -> bytes:
    head = struct.pack("!HHBBH", hardware, IPV4, 6, 4, operation)
    return head + mac(sender_mac) + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(target)


def ipv4(source: str, target: str, text: bytes = b"hello") -> bytes:
    # Long enough for a frame without padding: where bridged frames are filtered the host cuts that off.
    data = udp(text.ljust(40, b"."))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data


def udp(text: bytes) -> bytes:
    return struct.pack("!HHHH", 4000, 4001, 8 + len(text), 0) + text


def ipv6(source: str, target: str, body: bytes, protocol: int = 58, limit: int = 255) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, limit) + pack6(source) + pack6(target) + body


def icmpv6(source: str, target: str, kind: int, body: bytes) -> bytes:
    """Return the message with its checksum, without the header in front."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = pack6(source) + pack6(target) + struct.pack("!II", len(message), 58)
    return message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]


def advert(source: str, target: str, subject: str, hardware: str) -> bytes:
    """Return a neighbour advertisement: `subject` has this hardware address, believe it over others."""
    body = struct.pack("!I", 0x60000000) + pack6(subject) + b"\x02\x01" + mac(hardware)
    return icmpv6(source, target, 136, body)


def solicit(source: str, target: str, subject: str) -> bytes:
    return icmpv6(source, target, 135, bytes(4) + pack6(subject))


def router_advert(source: str, target: str) -> bytes:
    return icmpv6(source, target, 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0))


def redirect(source: str, target: str, subject: str) -> bytes:
    return icmpv6(source, target, 137, bytes(4) + pack6(source) + pack6(subject))


def behind_options(message: bytes, *, protocol: int = 58) -> bytes:
    """Hide a message behind a header of destination options."""
    return struct.pack("!BB", protocol, 0) + b"\x01\x04" + bytes(4) + message


def behind_fragment(message: bytes, *, protocol: int = 58) -> bytes:
    """Hide a message behind the header of a fragment that is the whole."""
    return struct.pack("!BBHI", protocol, 0, 0, 1) + message


def pack6(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6, address)


def checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arrives(site: Any, until: Callable[..., Any], frame: bytes, honest: bytes, word: bytes) -> bool:
    """Send a frame and an honest one behind it, known by `word`; tell whether the neighbour has seen the first once the second is there."""
    seen: list[bytes] = []
    site.one.send(frame)
    site.one.send(honest)

    def honest_arrived() -> bool:
        seen.extend(site.two.seen())
        return any(word in one for one in seen)

    until(honest_arrived)
    return frame in seen
