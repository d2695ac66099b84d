"""What a stack wants of the overlay that another stack of this host has: addresses, a /64, the one node of the host.

An address follows from a key and a seed, so two stacks get the same one whenever they share both, and nothing on the way would notice.
Only what the plan changes is judged: what was applied before stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits.jsons import Spec
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.overlays import ADOPT, CARD, GUEST, HOST, HOST_KEY, NETWORK, NODE, NodeUse, can_share
from herocloud.model.plans import Change
from herocloud.model.words import Impact
from herocloud.model.worlds import Record, Recorded, Thing
from herocloud.plan import capacity, overlay_diagnostics, reservations
from herocloud.plan.changes import Decision
from herocloud.plan.draft import World
from herocloud.plan.overlay_keys import node_subnet

Places = Mapping[Address, Place | None]
Other = tuple[StackName, Record]
"""A record of another stack; the name of the stack is the one that it is kept under."""


def find(stack: StackName, decisions: Mapping[Address, Decision], world: World, places: Places) -> Iterator[Diagnostic]:
    """Find what cannot be had, or what changes for other stacks with it."""
    recorded, observed, host = world
    changes = [
        decision.change for decision in decisions.values() if decision.change.after is not None and not decision.change.action.leaves
    ]
    if not any(_address(change.after) or change.kind == "mycelium" for change in changes):
        return
    others = [(other, record) for other, records in recorded.records.items() if other != stack for record in records.values()]
    # So does a VM of this stack that the plan leaves as it is, because it is outside of `--target`.
    touched = {*decisions, *(change.previous_address for change in changes)}
    own = {**recorded.records.get(stack, {}), **recorded.beside}
    others += [(stack, record) for address, record in own.items() if address not in touched]
    # What an orphan still holds is never given away.
    orphans = capacity.without_record(recorded, observed) if observed is not None else ()
    taken = _taken(others, orphans)
    taken |= {address: (stack, change.address) for change in changes if (address := _address(change.after)) and not _gains(change)}
    for change in changes:
        address = _address(change.after)
        if not _gains(change):
            continue
        holder = taken.get(address or "")
        if address and holder and holder != (stack, change.address):
            same = _same(change.after)
            yield overlay_diagnostics.overlay_address_taken(
                change.address, address, holder[1], holder[0], same, places.get(change.address), own=holder[0] == stack
            )
        elif address:
            # The next one of this plan with the same address finds this one.
            taken[address] = (stack, change.address)
    node = decisions.get(NODE)
    if node is not None and node.change.after is not None and not node.change.action.leaves:
        before, after = node.change.before or {}, node.change.after
        yield from _find_nodes(after, others, host, places.get(NODE))
        staying = sorted(
            address
            for address, record in recorded.records.get(stack, {}).items()
            if record.kind == "vm" and _address(record.spec) and not _is_leaving(decisions.get(address))
        )
        if before and before.get("mode", HOST) != after["mode"] and before.get("mode", HOST) != GUEST and staying:
            yield overlay_diagnostics.overlay_mode_kept(str(NODE), before.get("mode", HOST), after["mode"], staying, places.get(NODE))


def approve_cutting_off(stack: StackName, decisions: Mapping[Address, Decision], recorded: Recorded) -> Mapping[Address, Decision]:
    """Have a node that moves to another /64 approved as reboots are where VMs lose their addresses by it, and name them.

    Those of the stack itself are rebooted by the plan, unless they are outside of `--target`; the node of the host has VMs of other stacks.
    """
    node = decisions.get(NODE)
    before, after = (node.change.before or {}, node.change.after or {}) if node is not None else ({}, {})
    was = before.get("subnet")
    if node is None or not was or not after.get("subnet") or was == after["subnet"]:
        return decisions
    touched = {*decisions, *(decision.change.previous_address for decision in decisions.values())}
    lost = [
        f"`{record.address}` of stack `{record.stack}` ({_address(record.spec)})"
        if record.stack != stack
        else f"`{record.address}` ({_address(record.spec)})"
        for record in carried(stack, node.change, recorded)
        if record.stack != stack or record.address not in touched
    ]
    if not lost:
        return decisions
    change = node.change._replace(impact=max(node.change.impact, Impact.REBOOT), note=f"cuts off {', '.join(lost)}")
    return {**decisions, NODE: node._replace(change=change)}


def carried(stack: StackName, node: Change, recorded: Recorded) -> list[Record]:
    """Return the VMs in the /64 that a node has before it changes: those of its stack, and of all others where it is the host's."""
    was = (node.before or {}).get("subnet")
    if not was:
        return []
    prefix = was.removesuffix("::/64") + ":"
    shared = (node.before or {}).get("mode", HOST) == HOST
    return [
        record._replace(stack=other)
        for other, records in recorded.records.items()
        for record in (records.values() if other == stack or shared else ())
        if record.kind == "vm" and (_address(record.spec) or "").startswith(prefix)
    ]


def _taken(others: Iterable[Other], orphans: Iterable[Thing]) -> dict[str, tuple[StackName, Address]]:
    """Return who has which address."""
    taken = {address: (other, record.address) for other, record in others for address in reservations.overlay_addresses(record.spec)}
    for thing in orphans:
        for key, part in thing.parts.items():
            if key.startswith("nic.") and part and part.get("network") == CARD:
                taken.setdefault(part["address"], (thing.stack, thing.address))
    return taken


def _find_nodes(wanted: Spec, others: list[Other], host: Host, place: Place | None) -> Iterator[Diagnostic]:
    subnet = _subnet(wanted, host)
    if not subnet:
        return
    nodes = [(other, record.spec, known) for other, record in others if record.kind == "mycelium" and (known := _subnet(record.spec, host))]
    if wanted.get("mode", HOST) == NETWORK:
        holder = next((f"stack `{other}`" for other, spec, _ in nodes if spec.get("subnet") == subnet), None)
        if holder is None and node_subnet(host, HOST_KEY) == subnet:
            holder = "the node of this host"
        if holder is not None and wanted.get("subnet"):
            yield overlay_diagnostics.overlay_key_shared(str(NODE), subnet, holder, place)
        for other, spec, theirs in nodes:
            if spec.get("mode", HOST) == HOST and _wants_another_key(wanted, spec, theirs, host):
                replaced = spec.get("key") == HOST_KEY
                yield overlay_diagnostics.overlay_network_beside(str(NODE), other, theirs, place, replaced=replaced)
        return
    for other, spec, theirs in nodes:
        mode = spec.get("mode", HOST)
        if mode == NETWORK and _wants_another_key(spec, wanted, subnet, host):
            yield overlay_diagnostics.overlay_beside_network(str(NODE), subnet, other, place)
        if mode == NETWORK and spec.get("subnet") == subnet:
            yield overlay_diagnostics.overlay_key_shared(str(NODE), subnet, f"stack `{other}`", place)
        elif mode == HOST and theirs != subnet:
            shared = can_share(NodeUse(HOST, wanted.get("key"), subnet), NodeUse(HOST, spec.get("key"), theirs), None)
            found = overlay_diagnostics.overlay_moves_others if shared else overlay_diagnostics.overlay_other_node
            yield found(str(NODE), subnet, other, theirs, place)


def _subnet(node: Spec, host: Host) -> str | None:
    """Return the /64 of the node that a stack wants; one without addresses for VMs wants the node of the host all the same."""
    if node.get("subnet"):
        return str(node["subnet"])
    mode = node.get("mode", HOST)
    return None if mode == GUEST or not node.get("key") else node_subnet(host, HOST_KEY if mode == NETWORK else node["key"])


def _wants_another_key(network: Spec, node: Spec, subnet: str, host: Host) -> bool:
    """Return whether a network would start the node of the host with another key than the stack in mode `host` does."""
    running = host.overlay_daemon
    if node.get("daemon") == ADOPT and host.simulated:
        # The daemon is somebody else's, and nobody runs one on a simulated host.
        return False
    adopts = running is not None and not running.managed and running.subnet == subnet
    if network.get("daemon") == ADOPT or adopts:
        return False
    return not can_share(NodeUse(NETWORK, network.get("key"), None), NodeUse(HOST, node.get("key"), subnet), node_subnet(host, HOST_KEY))


def _gains(change: Change) -> bool:
    """Return whether a VM has an address afterwards that it has not now."""
    after = _address(change.after)
    return after is not None and after != _address(change.before)


def _address(spec: Spec | None) -> str | None:
    overlay = (spec or {}).get("mycelium")
    return overlay["address"] if overlay else None


def _same(spec: Spec | None) -> str | None:
    """Return the name of the key that a VM with a daemon of its own has its address from; nothing for one with a seed."""
    key = ((spec or {}).get("mycelium") or {}).get("key")
    return str(key["name"]) if key else None


def _is_leaving(decision: Decision | None) -> bool:
    return decision is not None and (decision.change.action.leaves or not _address(decision.change.after))
