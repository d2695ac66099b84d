"""The namespace that the daemon of a network lives in: its loopback, forwarding, and the cable that leads to the host and its bridge."""

from ipaddress import IPv6Address
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.mycelium import iproute

CABLE = "host0"
"""The end of the cable inside; the other one has a name of its own on the host."""
_SETTINGS = {
    "net/ipv6/conf/all/forwarding": "1",
    # It sets that of all links and of those to come, and a link without IPv6 ends a daemon that is started.
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
}


class NetworkNamespace(NamedTuple):
    """One namespace, by its names and addresses."""

    name: str
    cable: str
    """The end of the cable on the host."""
    near: str
    """The address of that end."""
    far: str
    """The address of the other one."""
    owner: str
    """Lineage and stack."""

    def ensure(self) -> None:
        """Bring it about, with everything in it that is not the daemon's."""
        iproute.drop_stale_namespace(self.name)
        if not iproute.has_namespace(self.name):
            iproute.add("netns", "add", self.name)
        iproute.change("link", "set", "lo", "up", namespace=self.name)
        for setting, value in _SETTINGS.items():
            iproute.write_setting(setting, value, self.name)
        if iproute.link(CABLE, self.name) is None or iproute.link(self.cable) is None:
            # One end outlives the other for a moment, or under a name that somebody gave it.
            iproute.remove("link", "del", self.cable)
            iproute.remove("link", "del", CABLE, namespace=self.name)
            iproute.add("link", "add", self.cable, "type", "veth", "peer", "name", CABLE, "netns", self.name)
        iproute.write_setting(f"net/ipv6/conf/{self.cable}/accept_ra", "0")
        iproute.change("link", "set", self.cable, "alias", f"herocloud-overlay cable {self.owner}", "up")
        iproute.change("link", "set", CABLE, "up", namespace=self.name)
        for end, address, namespace in self._ends():
            iproute.write_setting(f"net/ipv6/conf/{end}/disable_ipv6", "0", namespace)
            iproute.add("address", "add", f"{address}/64", "dev", end, "nodad", namespace=namespace)

    def route(self, subnet: str) -> None:
        """Lead to the bridge what comes for a /64, and nothing for that of before the key was changed."""
        for route in iproute.show("-6", "route", "show", "via", self.near, namespace=self.name):
            if route["dst"] != subnet:
                iproute.remove("-6", "route", "del", route["dst"], "via", self.near, "dev", CABLE, namespace=self.name)
        iproute.add("-6", "route", "add", subnet, "via", self.near, "dev", CABLE, namespace=self.name)

    def find_flaws(self, subnet: str) -> dict[str, Json]:
        """Name what is not as `ensure` and `route` leave it; empty when all is well."""
        if not iproute.has_namespace(self.name):
            return {"namespace": "missing"}
        inside = {str(link["ifname"]): link for link in iproute.show("address", "show", namespace=self.name)}
        outside = next(iter(iproute.show("address", "show", "dev", self.cable)), None)
        flaws: dict[str, Json] = {}
        if "UP" not in inside.get("lo", {}).get("flags", ()):
            flaws["loopback"] = "down"
        if outside is None or CABLE not in inside:
            flaws["cable"] = "missing"
        elif any("UP" not in end["flags"] for end in (outside, inside[CABLE])):
            flaws["cable"] = "down"
        elif not (_has(outside, self.near) and _has(inside[CABLE], self.far)):
            flaws["cable_address"] = "missing"
        forwarding, *disabled = iproute.read_settings(list(_SETTINGS), self.name)
        if forwarding != "1":
            flaws["network_forwarding"] = False
        if any(value != "0" for value in disabled):
            flaws["network_ipv6"] = False
        if not iproute.show("-6", "route", "show", subnet, "via", self.near, namespace=self.name):
            flaws["way_back"] = "missing"
        return flaws

    def _ends(self) -> tuple[tuple[str, str, str | None], ...]:
        return (self.cable, self.near, None), (CABLE, self.far, self.name)


def _has(link: Json, address: str) -> bool:
    return any(info.get("local") == str(IPv6Address(address)) for info in link.get("addr_info", ()))
