"""Settings of bridges and of their ports that we leave as the kernel makes them, and that decide who hears whom.

A bridge that forgets at once where its guests are floods every frame to all of them; a port that does not learn makes a guest's frames
reach its neighbors; a port that answers for others speaks in their name. None of it is ever set by us, so whatever differs from a new
bridge or port was set by somebody else, and is put back.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Setting(NamedTuple):
    """One setting: its name (as the library that sets it knows it), and the value that a new bridge or port has."""

    name: str
    value: int


BRIDGE = {
    4: Setting("br_ageing_time", 30000),
    7: Setting("br_vlan_filtering", 0),
    9: Setting("br_group_fwd_mask", 0),
    23: Setting("br_mcast_snooping", 0),
    36: Setting("br_nf_call_iptables", 0),
    37: Setting("br_nf_call_ip6tables", 0),
    38: Setting("br_nf_call_arptables", 0),
}
"""By their numbers among IFLA_BR_*. Snooping is the one that we switch off when we make a bridge (see `links`)."""

PORT = {
    5: Setting("guard", 0),
    6: Setting("root_block", 0),
    7: Setting("fast_leave", 0),
    8: Setting("learning", 1),
    9: Setting("flood", 1),
    10: Setting("proxy_arp", 0),
    12: Setting("proxy_arp_wifi", 0),
    27: Setting("mcast_flood", 1),
    28: Setting("mcast_to_unicast", 0),
    29: Setting("vlan_tunnel", 0),
    30: Setting("bcast_flood", 1),
    31: Setting("group_fwd_mask", 0),
    32: Setting("neigh_suppress", 0),
    34: Setting("backup_port", 0),
    39: Setting("locked", 0),
}
"""By their numbers among IFLA_BRPORT_*. A port that leaves its bridge and comes back has them all as they are here."""

_STATE, _MODE, _ISOLATED, _STP = 1, 4, 33, 5
_FORWARDING, _DISABLED = 3, 0
OF_BRIDGE = frozenset({_STP, *BRIDGE})
OF_PORT = frozenset({_STATE, _MODE, _ISOLATED, *PORT})


def odd_of_bridge(seen: Mapping[int, bytes]) -> Iterator[str]:
    """Name the settings of a bridge that are not as they are to be."""
    return (setting.name for number, setting in BRIDGE.items() if number in seen and _value(seen[number]) != setting.value)


def odd_of_port(seen: Mapping[int, bytes], *, works: bool) -> Iterator[str]:
    """Name the settings of a port that are not those of a new one. A port without a carrier is disabled by itself."""
    yield from (setting.name for number, setting in PORT.items() if number in seen and _value(seen[number]) != setting.value)
    state = _value(seen[_STATE]) if _STATE in seen else _FORWARDING
    if state != _FORWARDING and (works or state != _DISABLED):
        yield "state"


def _value(raw: bytes) -> int:
    return int.from_bytes(raw, sys.byteorder)
