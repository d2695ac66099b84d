"""What a plan has to say of the overlay daemon that runs on the host and was not started by herocloud.

It was looked for before (`Host.overlay_daemon`). Addresses never follow from it; a plan that could not be applied beside it is an error.
"""

from collections.abc import Collection, Iterator

from herocloud.kits import nearest
from herocloud.kits.jsons import Spec
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host, OverlayDaemon
from herocloud.model.overlays import ADOPT, HOST, MANAGE, NETWORK, NODE
from herocloud.plan import overlay_diagnostics
from herocloud.plan.changes import Decision
from herocloud.plan.overlay_keys import node_subnet


def find(node: Spec, decision: Decision | None, host: Host, place: Place | None) -> Iterator[Diagnostic]:
    """Find what keeps the node of a stack from being brought about, and what an adopted daemon does not do."""
    daemon = host.overlay_daemon
    mode = node.get("mode", HOST)
    if daemon is None or mode not in (HOST, NETWORK):
        return
    if daemon.managed or not daemon.running:
        yield from _find_adopted(node, decision, daemon, host, place)
        return
    changes = decision is not None and not decision.change.action.leaves
    if daemon.trouble:
        # The look at what this host can run, which not every plan needs, comes to the same.
        if changes and not (host.abilities is not None and host.abilities.overlay):
            yield overlay_diagnostics.overlay_unusable(str(NODE), daemon.trouble, place)
        return
    subnet = node_subnet(host, node["key"]) if node.get("key") else None
    if changes:
        if mode == HOST and subnet is not None and subnet != daemon.subnet:
            yield overlay_diagnostics.overlay_foreign_daemon(str(NODE), daemon.subnet, subnet, place)
            return
        if mode == NETWORK and subnet == daemon.subnet:
            yield overlay_diagnostics.overlay_key_shared(str(NODE), subnet, "the daemon that runs on this host", place)
            return
        if node.get("daemon") == MANAGE:
            yield overlay_diagnostics.overlay_daemon_unmanaged(str(NODE), daemon.subnet, place)
            return
        if mode == HOST and daemon.lost_interface:
            yield overlay_diagnostics.overlay_interface_lost(str(NODE), daemon.subnet, place)
            return
    if node.get("host_open"):
        yield overlay_diagnostics.overlay_host_open(str(NODE), place)
    if mode == HOST and not daemon.carries:
        yield overlay_diagnostics.overlay_without_route(str(NODE), daemon.subnet, place)


def find_unknown(node: Spec, decision: Decision | None, place: Place | None) -> Iterator[Diagnostic]:
    """Say what of a simulated host nobody knows, where a plan for a real one would have been held against it."""
    if decision is None or decision.change.action.leaves:
        return
    unknown = [f"interfaces: [{', '.join(node['interfaces'])}]"] if node.get("interfaces") else []
    unknown += [f"daemon: {ADOPT}"] if node.get("daemon") == ADOPT else []
    if unknown:
        yield overlay_diagnostics.overlay_not_simulated(str(NODE), unknown, place)


def find_interfaces(node: Spec, host: Host, made: Collection[str], place: Place | None) -> Iterator[Diagnostic]:
    """Find interfaces on which peers would be discovered and which are not there; `made` are those that the plan makes."""
    there = host.interfaces
    if there is not None and node.get("mode", HOST) in (HOST, NETWORK):
        for name in node.get("interfaces") or ():
            if name not in there and name not in made:
                yield overlay_diagnostics.overlay_no_interface(str(NODE), name, nearest.nearest(name, sorted(there)), place)


def _find_adopted(node: Spec, decision: Decision | None, daemon: OverlayDaemon, host: Host, place: Place | None) -> Iterator[Diagnostic]:
    """Find that nothing runs which could be adopted, or only ours with another key."""
    if node.get("daemon") != ADOPT or decision is None or decision.change.action.leaves:
        return
    if not daemon.running:
        if not daemon.managed:
            yield overlay_diagnostics.overlay_no_daemon(str(NODE), place)
        return
    before = (decision.change.before or {}).get("subnet")
    subnet = node_subnet(host, node["key"]) if node.get("key") else None
    if node.get("mode", HOST) == HOST and subnet is not None and daemon.subnet not in (subnet, before):
        yield overlay_diagnostics.overlay_own_daemon(str(NODE), daemon.subnet, subnet, place)
