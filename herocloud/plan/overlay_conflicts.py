"""What a stack wants of the overlay that another stack of this host has: addresses, a /64, the one node of the host.

An address follows from a key and a seed, so two stacks get the same one whenever they share both, and nothing on the way would notice.
Only what the plan changes is judged: what was applied before stays as it is.
"""

from collections.abc import Iterator, Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Spec
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.words import Action
from herocloud.model.worlds import Record, Recorded
from herocloud.plan import overlay_diagnostics
from herocloud.plan.changes import Decision
from herocloud.plan.overlay_addresses import GUEST, HOST, HOST_KEY, NETWORK, NODE, node_subnet

_LEAVES = (Action.DELETE, Action.FORGET)
Places = Mapping[Address, Place | None]
Other = tuple[StackName, Record]
"""A record of another stack; the name of the stack is the one that it is kept under."""


def find(stack: StackName, decisions: Mapping[Address, Decision], recorded: Recorded, host: Host, places: Places) -> Iterator[Diagnostic]:
    """Find what cannot be had, or what changes for other stacks with it."""
    changes = [one.change for one in decisions.values() if one.change.after is not None and one.change.action not in _LEAVES]
    if not any(_address(change.after) or change.kind == "mycelium" for change in changes):
        return
    others = [(other, record) for other, records in recorded.records.items() if other != stack for record in records.values()]
    yield from _find_addresses([change.address for change in changes], {change.address: change.after for change in changes}, others, places)
    node = decisions.get(NODE)
    if node is not None and node.change.after is not None and node.change.action not in _LEAVES:
        before, after = node.change.before or {}, node.change.after
        yield from _find_nodes(after, others, host, places.get(NODE))
        staying = sorted(
            address
            for address, record in recorded.records.get(stack, {}).items()
            if record.kind == "vm" and _address(record.spec) and not _is_leaving(decisions.get(address))
        )
        if before and before.get("mode", HOST) != after["mode"] and before.get("mode", HOST) != GUEST and staying:
            yield overlay_diagnostics.overlay_mode_kept(str(NODE), before.get("mode", HOST), after["mode"], staying, places.get(NODE))


def _find_addresses(
    order: list[Address], specs: Mapping[Address, Spec | None], others: list[Other], places: Places
) -> Iterator[Diagnostic]:
    taken = {address: (other, record) for other, record in others if (address := _address(record.spec))}
    for name in order:
        wanted = _address(specs[name])
        if wanted in taken:
            other, record = taken[wanted]
            yield overlay_diagnostics.overlay_address_taken(name, wanted, record.address, other, places.get(name))


def _find_nodes(wanted: Spec, others: list[Other], host: Host, place: Place | None) -> Iterator[Diagnostic]:
    subnet = wanted.get("subnet")
    if not subnet:
        return
    nodes = [(other, record.spec) for other, record in others if record.kind == "mycelium" and record.spec.get("subnet")]
    if wanted["mode"] == NETWORK:
        holder = next((f"stack `{other}`" for other, spec in nodes if spec["subnet"] == subnet), None)
        if holder is None and node_subnet(host, HOST_KEY) == subnet:
            holder = "the node of this host"
        if holder is not None:
            yield overlay_diagnostics.overlay_key_shared(str(NODE), subnet, holder, place)
        return
    for other, spec in nodes:
        mode = spec.get("mode", HOST)
        if mode == NETWORK and spec["subnet"] == subnet:
            yield overlay_diagnostics.overlay_key_shared(str(NODE), subnet, f"stack `{other}`", place)
        elif mode == HOST and spec["subnet"] != subnet:
            same_key = jsons.dumps(spec.get("key")) == jsons.dumps(wanted.get("key"))
            found = overlay_diagnostics.overlay_moves_others if same_key else overlay_diagnostics.overlay_other_node
            yield found(str(NODE), subnet, other, spec["subnet"], place)


def _address(spec: Spec | None) -> str | None:
    overlay = (spec or {}).get("mycelium")
    return overlay["address"] if overlay else None


def _is_leaving(decision: Decision | None) -> bool:
    return decision is not None and (decision.change.action in _LEAVES or not _address(decision.change.after))
