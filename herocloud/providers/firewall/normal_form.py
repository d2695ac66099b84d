"""Expressions of nftables in one form, so that what we build equals what some nft prints exactly when both do the same.

An nft prints names where numbers were given and the other way round (its names of protocols are in /etc/protocols, which a small Debian
does not have), and a list of one as its only item. It sorts sets and drops leading zeros; versions after 1.0.6 know the fields of
neighbor discovery by name. All else counts as it stands: the left side of a match, its operator and right side, masks, and every
statement with its body. A word that is not known here is compared literally, so that nothing which differs can pass for the same.
"""

import re
import socket
from collections.abc import Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Json

_ETHER_TYPES = {"ip": 0x0800, "arp": 0x0806, "8021q": 0x8100, "vlan": 0x8100, "ip6": 0x86DD, "8021ad": 0x88A8}
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "meta nfproto": {"ipv4": 2, "ipv6": 10},
    "meta l4proto": {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "ipv6-icmp": 58},
    "ether type": _ETHER_TYPES,
    "arp ptype": _ETHER_TYPES,
    "arp htype": {"ether": 1},
    "icmpv6 type": {
        "destination-unreachable": 1,
        "packet-too-big": 2,
        "time-exceeded": 3,
        "parameter-problem": 4,
        "echo-request": 128,
        "echo-reply": 129,
        "nd-router-solicit": 133,
        "nd-router-advert": 134,
        "nd-neighbor-solicit": 135,
        "nd-neighbor-advert": 136,
        "nd-redirect": 137,
    },
    "fib type": {"unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5},
    "ct state": {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64},
    "ct status": {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512},
}
"""The numbers behind the names that our rules use, and behind those that somebody may have put in their place."""

_TARGET = {"payload": {"base": "th", "offset": 64, "len": 128}}
"""The target address of neighbor discovery as nft 1.0.6 prints it."""
_TARGET_NAMED = {"payload": {"protocol": "icmpv6", "field": "taddr"}}
_TEXTS = ("iifname", "oifname", "iif", "oif")
"""What is compared with names of interfaces, which may look like numbers."""
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[0-9]+")
_UNORDERED = ("set", "flags")


def normalize(expression: Mapping[str, Json]) -> str:
    """Write one expression of a rule in the one form."""
    match: Json = expression.get("match")
    if not isinstance(match, dict):
        return jsons.dumps(_plain(expression))
    left = _TARGET if match.get("left") == _TARGET_NAMED else match.get("left")
    right = _right(match.get("right"), _subject(left), is_text=_is_text(left))
    return jsons.dumps({**expression, "match": {**match, "left": _plain(left), "right": right}})


def _subject(left: Json) -> str:
    """Name what a match looks at, as the table of numbers does; empty for what has no names there."""
    match left:
        case {"meta": {"key": str(key)}}:
            return f"meta {key}"
        case {"ct": {"key": str(key)}}:
            return f"ct {key}"
        case {"fib": {"result": str(result)}}:
            return f"fib {result}"
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return f"{protocol} {field}"
        case {"&": [masked, *_]}:
            return _subject(masked)
    return "th target" if left == _TARGET else ""


def _is_text(left: Json) -> bool:
    return isinstance(left, dict) and isinstance(left.get("meta"), dict) and left["meta"].get("key") in _TEXTS


def _right(value: Json, subject: str, *, is_text: bool) -> Json:
    """Write what something is compared with; of lists (several states, say) and of sets the order says nothing."""
    if isinstance(value, str) and not is_text:
        return _number(value, subject)
    if isinstance(value, list):
        return _sorted([_right(element, subject, is_text=is_text) for element in value])
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("set"), list):
        return {"set": _sorted([_right(element, subject, is_text=is_text) for element in value["set"]])}
    return _plain(value)


def _number(value: str, subject: str) -> Json:
    known = _NUMBERS.get(subject, {}).get(value)
    if known is not None:
        return known
    if _NUMBER.fullmatch(value):
        return int(value, 16 if value.startswith("0x") else 10)
    if subject == "th target":
        try:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, value))
        except OSError:
            return value
    return value


def _plain(value: Json, *, ordered: bool = True) -> Json:
    """Write anything else: lists keep their order but where it says nothing, and a list of one is its item."""
    if isinstance(value, dict):
        return {key: _plain(inner, ordered=key not in _UNORDERED) for key, inner in value.items()}
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return (items[0] if len(items) == 1 else items) if ordered else _sorted(items)
    return value


def _sorted(items: list[Json]) -> Json:
    return items[0] if len(items) == 1 else sorted(items, key=jsons.dumps)
