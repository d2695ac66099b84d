"""Mode `network`: a /64 of the stack's own, behind a second daemon in a network namespace, so that addresses move with the key.

The daemon's namespace holds its TUN and one end of a cable; bridge, gateway and firewall stay on the host, as in mode `host`, so what
guards a guest is the same. What comes from the bridge leaves by a routing table of its own (the host's node has a 400::/7 too), and the
daemon's only peer is the host's, as on ThreeFold nodes: public nodes would be overrun by a daemon for each network.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model import overlays
from herocloud.model.errors import Conflict
from herocloud.providers.mycelium import (
    arithmetic,
    host_daemon,
    host_guard,
    host_node,
    host_side,
    iproute,
    key_references,
    network_daemon,
)
from herocloud.providers.mycelium.host_side import Bridge
from herocloud.providers.mycelium.memberships import Membership
from herocloud.providers.mycelium.network_daemon import NetworkDaemon
from herocloud.providers.mycelium.network_namespace import NetworkNamespace
from herocloud.providers.vmm.identity import Identity

_PRIORITY = "31000"


class NetworkSite:
    """The place of one stack that has a node of its own."""

    def __init__(self, stack: str, lineage: str, part: Part) -> None:
        """Take the part `overlay`; all names follow from the stack."""
        self._stack, self._part = stack, part
        self._known = Membership(stack, lineage, part, {})
        digest = jsons.digest([lineage, stack])
        self._user = host_side.user_of(lineage, stack)
        self._bridge = Bridge(f"hb-my-{digest[:8]}", part["subnet"], owner=f"{lineage} {stack}")
        self._table = str(0x1000000 + int(digest[:6], 16))
        near, far = (f"fd{digest[:2]}:{digest[2:6]}:{digest[6:10]}::{end}" for end in (1, 2))
        self._place = NetworkNamespace(f"herocloud-{digest[:8]}", f"{iproute.CABLES}{digest[:8]}", near, far, self._bridge.owner)

    def ensure(self, data: Path, environment: Mapping[str, str]) -> None:
        """Have both nodes run and the ways between them stand."""
        host_side.check(self._bridge)
        private = key_references.read(data, self._part["key"], environment, self._part["subnet"])
        if self._part["subnet"] != arithmetic.node_subnet(arithmetic.public_key(private)):
            raise Conflict("the key of the overlay network is not the one that the plan was made with; plan again")
        port = self._ensure_host_node(data, environment)
        host_side.ensure(self._bridge, self._user)
        host_guard.ensure(self._place.cable, self._part.get("host_open", ()), port)
        self._place.ensure()
        self._daemon(data).ensure(data, self._part["key"], port, environment, arithmetic.public_key(private))
        self._ensure_routes()

    def remove(self, data: Path) -> None:
        """Take everything away; the key stays."""
        host_side.refuse_ports(self._bridge)
        self._daemon(data).stop()
        for rule in self._rules():
            iproute.remove("-6", "rule", "del", "iif", self._bridge.name, "lookup", self._table, "priority", str(rule["priority"]))
        iproute.remove("link", "del", self._place.cable)
        host_guard.remove(self._place.cable)
        if iproute.has_namespace(self._place.name):
            iproute.remove("netns", "delete", self._place.name)
        iproute.drop_stale_namespace(self._place.name)
        host_side.remove(self._bridge, self._user)
        shutil.rmtree(self._folder(data), ignore_errors=True)

    def flaws(self, data: Path) -> dict[str, Json]:
        """Look at both nodes and at what lies between."""
        found: dict[str, Json] = dict(host_daemon.find_flaws(data, self._part))
        found.update(host_side.find_flaws(self._bridge, self._user))
        found.update(self._place.find_flaws(self._part["subnet"]))
        if "namespace" in found:
            return found
        missing = {
            "rule": not self._rules(),
            "ways": any(not iproute.show("-6", "route", "show", to, "table", self._table) for to in (overlays.RANGE, self._part["subnet"])),
        }
        found.update({name: "missing" for name, is_missing in missing.items() if is_missing})
        flaw = host_guard.flaw(self._place.cable, self._part.get("host_open", ()), host_daemon.peering_port(data))
        if flaw is not None:
            found["cable_rules"] = flaw
        return {**found, **self._daemon(data).find_flaws(reachable="loopback" not in found)}

    def is_gone(self, data: Path) -> bool:
        """Look for what is left of it."""
        left = iproute.has_namespace(self._place.name) or iproute.link(self._place.cable) is not None or self.process(data) is not None
        left = left or not host_guard.is_gone(self._place.cable)
        return not left and host_side.is_gone(self._user, self._bridge)

    def process(self, data: Path) -> Identity | None:
        """Return the process of its daemon when it is proven to run."""
        return self._daemon(data).process()

    def _ensure_host_node(self, data: Path, environment: Mapping[str, str]) -> int:
        """Have the host's node run, whichever it is, and return the port where it takes peers."""
        host_node.ensure(data, self._known, environment)
        return host_daemon.peering_port(data)

    def _ensure_routes(self) -> None:
        """Add the ways between bridge and daemon, and remove those of a /64 from before the key was changed."""
        self._place.route(self._part["subnet"])
        for route in iproute.show("-6", "route", "show", "table", self._table, "dev", self._bridge.name):
            if route["dst"] != self._part["subnet"]:
                iproute.remove("-6", "route", "del", route["dst"], "dev", self._bridge.name, "table", self._table)
        iproute.add("-6", "route", "add", overlays.RANGE, "via", self._place.far, "dev", self._place.cable, "table", self._table)
        iproute.add("-6", "route", "add", self._part["subnet"], "dev", self._bridge.name, "table", self._table)
        if not self._rules():
            iproute.add("-6", "rule", "add", "iif", self._bridge.name, "lookup", self._table, "priority", _PRIORITY)

    def _daemon(self, data: Path) -> NetworkDaemon:
        return NetworkDaemon(self._folder(data), self._place, self._part["subnet"])

    def _folder(self, data: Path) -> Path:
        return data / network_daemon.FOLDER / self._stack

    def _rules(self) -> list[dict[str, Json]]:
        return [rule for rule in iproute.show("-6", "rule", "show") if rule.get("iif") == self._bridge.name]
