"""The network configuration in a seed: version 2, every card found by its MAC.

Names of cards depend on slots and drivers and differ between hypervisors; the MAC is decided in the plan. Addresses are decided there too,
so there is no DHCP to wait for, and none to be fooled by.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.kits.jsons import Json, Spec
from herocloud.model.errors import Permanent

OVERLAY = "mycelium"
OVERLAY_ROUTE = "400::/7"
OVERLAY_MTU = 1400
"""What a Mycelium node's own interface has; larger packets would be dropped on the way without a word."""


def network_config(address: str, spec: Spec, servers: Sequence[str]) -> Json:
    """Return the network-config of a VM. The default route goes through its first network, which the user puts first for that."""
    ethernets: dict[str, Json] = {}
    for number, nic in enumerate(spec["networks"]):
        ethernets[f"eth{nic['slot']}"] = _card(address, nic, servers, default=number == 0)
    overlay = spec["mycelium"]
    if overlay:
        ethernets[f"eth{overlay['slot']}"] = _overlay_card(overlay)
    return {"version": 2, "ethernets": ethernets}


def _card(address: str, nic: Mapping[str, Any], servers: Sequence[str], *, default: bool) -> Json:
    if nic.get("prefix") is None or nic.get("gateway") is None:
        raise Permanent(f"`{address}`: the plan does not say the prefix and the gateway of network `{nic['network']}`; plan again")
    card = _matched(nic)
    card["addresses"] = [f"{nic['address']}/{nic['prefix']}"]
    if default:
        family = ipaddress.ip_address(nic["gateway"]).version
        card["routes"] = [{"to": "0.0.0.0/0" if family == 4 else "::/0", "via": nic["gateway"]}]
        card["nameservers"] = {"addresses": list(servers)}
    return card


def _overlay_card(nic: Mapping[str, Any]) -> Json:
    gateway = overlay_gateway(nic["address"])
    card = _matched(nic)
    card["mtu"] = OVERLAY_MTU
    card["addresses"] = [f"{nic['address']}/64"]
    card["routes"] = [{"to": OVERLAY_ROUTE, "via": gateway}]
    return card


def overlay_gateway(address: str) -> str:
    """Return the address that the host has in the /64 of a VM's overlay address."""
    prefix = int(ipaddress.IPv6Address(address)) >> 64 << 64
    return str(ipaddress.IPv6Address(prefix | 1))


def _matched(nic: Mapping[str, Any]) -> dict[str, Json]:
    """Begin a card. It gets the name of its slot: some renderers only know cards by name."""
    return {"match": {"macaddress": nic["mac"]}, "set-name": f"eth{nic['slot']}", "dhcp4": False, "dhcp6": False, "accept-ra": False}
