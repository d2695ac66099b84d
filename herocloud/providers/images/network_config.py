"""The network configuration in a seed: version 2, every card found by its MAC.

Names of cards depend on slots and drivers and differ between hypervisors; the MAC is decided in the plan. Addresses are decided there too,
so there is no DHCP to wait for, and none to be fooled by.

The name servers are those of the host that a guest can reach too. A resolver on the host's own loopback is no use inside of a VM, so the
one behind it is looked for where systemd-resolved writes it down. A host that tells none gets public ones, as container engines do: a
guest with NAT and without names is what nobody expects.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from herocloud.kits.jsons import Json, Spec
from herocloud.model import overlays
from herocloud.model.errors import Permanent

OVERLAY_MTU = 1400
"""What a Mycelium node's own interface has; larger packets would be dropped on the way without a word."""


def network_config(address: str, spec: Spec, servers: Sequence[str]) -> Json:
    """Return the network-config of a VM. The default route goes through its first network, which the user puts first for that."""
    ethernets: dict[str, Json] = {}
    for number, nic in enumerate(spec["networks"]):
        ethernets[f"eth{nic['slot']}"] = _card(address, nic, servers, default=number == 0)
    overlay = spec["mycelium"]
    if overlay and "slot" in overlay:
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
    card["routes"] = [{"to": overlays.RANGE, "via": gateway}]
    return card


def overlay_gateway(address: str) -> str:
    """Return the address that the host has in the /64 of a VM's overlay address."""
    prefix = int(ipaddress.IPv6Address(address)) >> 64 << 64
    return str(ipaddress.IPv6Address(prefix | 1))


def _matched(nic: Mapping[str, Any]) -> dict[str, Json]:
    """Begin a card. It gets the name of its slot: some renderers only know cards by name."""
    return {"match": {"macaddress": nic["mac"]}, "set-name": f"eth{nic['slot']}", "dhcp4": False, "dhcp6": False, "accept-ra": False}


PUBLIC = ("9.9.9.9", "1.1.1.1")
FILES = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")


def find_servers(files: tuple[str, ...] = FILES) -> tuple[str, ...]:
    """Return at most three addresses, in the host's order."""
    for name in files:
        try:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = tuple(dict.fromkeys(server for line in text.splitlines() if (server := _server_of(line))))
        if found:
            return found[:3]
    return PUBLIC


def _server_of(line: str) -> str | None:
    """Return the address in a `nameserver` line, unless it is one that only the host itself can reach."""
    import ipaddress

    words = line.split()
    if len(words) < 2 or words[0] != "nameserver":
        return None
    try:
        address = ipaddress.ip_address(words[1])
    except ValueError:
        return None
    return None if address.is_loopback or address.is_link_local or address.is_unspecified else str(address)
