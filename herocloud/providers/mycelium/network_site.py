"""Mode `network`: a /64 of the stack's own, behind a second daemon in a network namespace, so that addresses move with the key.

The daemon's namespace holds its TUN and one end of a cable; bridge, gateway and firewall stay on the host, as in mode `host`, so what
guards a guest is the same. What comes from the bridge leaves by a routing table of its own (the host's node has a 400::/7 too), and the
daemon's only peer is the host's, as on ThreeFold nodes: public nodes would be overrun by a daemon for each network.
"""

import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model import overlays
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.mycelium import (
    arithmetic,
    host_guard,
    host_node,
    host_side,
    iproute,
    key_references,
    namespace_calls,
    node_process,
)
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.host_side import Bridge
from herocloud.providers.mycelium.memberships import Membership
from herocloud.providers.vmm import identity, launch
from herocloud.providers.vmm.launch import Launch

FOLDER = "mycelium/networks"
TUN, CABLE = "my0", "host0"
"""Names inside the namespace."""
_PRIORITY = "31000"
_PATIENCE = 20.0
_STEP = 0.02


class NetworkSite:
    """The place of one stack that has a node of its own."""

    def __init__(self, stack: str, lineage: str, part: Part) -> None:
        """Take the part `overlay`; all names follow from the stack."""
        self._stack, self._part = stack, part
        self._known = Membership(stack, lineage, part, {})
        digest = jsons.digest([lineage, stack])
        self._user = host_side.user_of(lineage, stack)
        self._bridge = Bridge(f"hb-my-{digest[:8]}", part["subnet"], owner=f"{lineage} {stack}")
        self._namespace = f"herocloud-{digest[:8]}"
        self._cable = f"hv-{digest[:8]}"
        self._table = str(0x1000000 + int(digest[:6], 16))
        self._near, self._far = (f"fd{digest[:2]}:{digest[2:6]}:{digest[6:10]}::{end}" for end in (1, 2))

    def ensure(self, data: Path, environment: Mapping[str, str]) -> None:
        """Have both nodes run and the ways between them stand."""
        host_side.check(self._bridge)
        private = key_references.read(data, self._part["key"], environment, self._part["subnet"])
        if self._part["subnet"] != arithmetic.node_subnet(arithmetic.public_key(private)):
            raise Conflict("the key of the overlay network is not the one that the plan was made with; plan again")
        port = self._ensure_host_node(data, environment)
        host_side.ensure(self._bridge, self._user)
        host_guard.ensure(self._cable, self._part.get("host_open", ()), port)
        self._ensure_namespace()
        self._ensure_daemon(data, port, environment, arithmetic.public_key(private))
        self._ensure_routes()

    def remove(self, data: Path) -> None:
        """Take everything away; the key stays."""
        host_side.refuse_ports(self._bridge)
        self._stop(data)
        for rule in self._rules():
            iproute.remove("-6", "rule", "del", "iif", self._bridge.name, "lookup", self._table, "priority", str(rule["priority"]))
        iproute.remove("link", "del", self._cable)
        host_guard.remove(self._cable)
        if iproute.has_namespace(self._namespace):
            iproute.remove("netns", "delete", self._namespace)
        iproute.drop_stale_namespace(self._namespace)
        host_side.remove(self._bridge, self._user)
        shutil.rmtree(self._folder(data), ignore_errors=True)

    def flaws(self, data: Path) -> dict[str, Json]:
        """Look at both nodes and at what lies between."""
        found: dict[str, Json] = dict(node_process.flaws(data, {**self._part, "subnet": None}))
        found.update(host_side.find_flaws(self._bridge, self._user))
        if not iproute.has_namespace(self._namespace):
            return {**found, "namespace": "missing"}
        missing = {
            "daemon_process": not self._is_inside(data) or iproute.link(TUN, self._namespace) is None,
            "cable": iproute.link(self._cable) is None or iproute.link(CABLE, self._namespace) is None,
            "cable_rules": not self._is_guarded(data),
            "rule": not self._rules(),
            "ways": not iproute.show("-6", "route", "show", overlays.RANGE, "table", self._table),
            "way_back": not iproute.show("-6", "route", "show", self._part["subnet"], namespace=self._namespace),
        }
        return {**found, **{name: "missing" for name, is_missing in missing.items() if is_missing}}

    def is_gone(self, data: Path) -> bool:
        """Look for what is left of it."""
        left = iproute.has_namespace(self._namespace) or iproute.link(self._cable) is not None or self.process(data) is not None
        left = left or not host_guard.is_gone(self._cable)
        return not left and host_side.is_gone(self._user, self._bridge)

    def process(self, data: Path) -> identity.Identity | None:
        """Return the process of its daemon when it is proven to run."""
        known = identity.read(self._folder(data) / identity.RECORD)
        return known if known is not None and identity.is_alive(known) else None

    def _ensure_host_node(self, data: Path, environment: Mapping[str, str]) -> int:
        """Have the host's node run, whichever it is, and return the port where it takes peers."""
        host_node.ensure(data, self._known, environment)
        return node_process.peering_port(data)

    def _ensure_namespace(self) -> None:
        iproute.drop_stale_namespace(self._namespace)
        if not iproute.has_namespace(self._namespace):
            iproute.add("netns", "add", self._namespace)
        inside = self._namespace
        iproute.change("link", "set", "lo", "up", namespace=inside)
        iproute.write_setting("net/ipv6/conf/all/forwarding", "1", inside)
        if iproute.link(CABLE, inside) is None:
            # The host's end outlives the other one for a moment.
            iproute.remove("link", "del", self._cable)
            iproute.add("link", "add", self._cable, "type", "veth", "peer", "name", CABLE, "netns", inside)
        iproute.write_setting(f"net/ipv6/conf/{self._cable}/accept_ra", "0")
        iproute.change("link", "set", self._cable, "alias", f"herocloud-overlay cable {self._bridge.owner}", "up")
        iproute.change("link", "set", CABLE, "up", namespace=inside)
        iproute.add("address", "add", f"{self._near}/64", "dev", self._cable, "nodad")
        iproute.add("address", "add", f"{self._far}/64", "dev", CABLE, "nodad", namespace=inside)

    def _ensure_routes(self) -> None:
        """Add the ways between bridge and daemon, and remove those of a /64 from before the key was changed."""
        for route in iproute.show("-6", "route", "show", "via", self._near, namespace=self._namespace):
            if route["dst"] != self._part["subnet"]:
                iproute.remove("-6", "route", "del", route["dst"], "via", self._near, "dev", CABLE, namespace=self._namespace)
        for route in iproute.show("-6", "route", "show", "table", self._table, "dev", self._bridge.name):
            if route["dst"] != self._part["subnet"]:
                iproute.remove("-6", "route", "del", route["dst"], "dev", self._bridge.name, "table", self._table)
        iproute.add("-6", "route", "add", self._part["subnet"], "via", self._near, "dev", CABLE, namespace=self._namespace)
        iproute.add("-6", "route", "add", overlays.RANGE, "via", self._far, "dev", self._cable, "table", self._table)
        iproute.add("-6", "route", "add", self._part["subnet"], "dev", self._bridge.name, "table", self._table)
        if not self._rules():
            iproute.add("-6", "rule", "add", "iif", self._bridge.name, "lookup", self._table, "priority", _PRIORITY)

    def _ensure_daemon(self, data: Path, port: int, environment: Mapping[str, str], public: PublicKey) -> None:
        program = shutil.which(node_process.PROGRAM)
        if program is None:
            raise Permanent(f"the program `{node_process.PROGRAM}` is not on PATH, and this network needs a daemon of its own; install it")
        key = self._key_path(data, environment)
        command = ["ip", "netns", "exec", self._namespace, program, "--key-file", str(key), "--tun-name", TUN, "--disable-quic"]
        command += ["--disable-peer-discovery", "--peers", f"tcp://[{self._near}]:{port}"]
        record = self._folder(data) / identity.RECORD
        what = Launch(record, command, Path(self._namespace), "always", {}, f"herocloud-mycelium-{self._cable}")
        ours = self.process(data)
        # One that was started before the namespace was made again lives in the old one.
        if ours is not None and (
            ours.digest != jsons.digest(command) or not iproute.lives_in(ours.pid, self._namespace) or _has_other_key(ours, public)
        ):
            self._stop(data)
            ours = None
        node_process.start(what, ours)
        until = time.monotonic() + _PATIENCE
        while iproute.link(TUN, self._namespace) is None:
            if time.monotonic() > until:
                log = record.with_name(f"{identity.RECORD}.log")
                raise Temporary(f"the daemon of this network has no interface within {_PATIENCE:g} s{launch.said(log)}")
            time.sleep(_STEP)

    def _key_path(self, data: Path, environment: Mapping[str, str]) -> Path:
        return key_references.place(data, self._folder(data), self._part["key"], environment, self._part["subnet"])

    def _is_inside(self, data: Path) -> bool:
        process = self.process(data)
        return process is not None and iproute.lives_in(process.pid, self._namespace)

    def _is_guarded(self, data: Path) -> bool:
        return host_guard.is_whole(self._cable, self._part.get("host_open", ()), node_process.peering_port(data))

    def _stop(self, data: Path) -> None:
        record = self._folder(data) / identity.RECORD
        if not record.parent.exists():
            return
        launch.keep(record, kept=False)
        process = self.process(data)
        if process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                identity.send(process, number)
                if identity.wait_for_death(process, 10.0):
                    break
        launch.dismiss(record)

    def _folder(self, data: Path) -> Path:
        return data / FOLDER / self._stack

    def _rules(self) -> list[dict[str, Json]]:
        return [rule for rule in iproute.show("-6", "rule", "show") if rule.get("iif") == self._bridge.name]


def _has_other_key(process: identity.Identity, public: PublicKey) -> bool:
    return namespace_calls.call_beside(process.pid, lambda: node_process.has_other_key(node_process.API_PORT, public))
