"""What holds of the overlay in every plan, whichever entrance it came through: nothing is given out twice, and cutting off is approved.

`finish` asks here, so that an undo, an adoption or a clone is held against the same rules as a stack. Plans whose addresses do not come
from keys are held against the keys too: an undo gives back what was recorded, and a key file may have been replaced or lost since.
"""

from collections.abc import Iterable, Iterator

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.overlays import NODE
from herocloud.model.plans import Change
from herocloud.model.powers import ALIVE
from herocloud.plan import overlay_conflicts, overlay_daemons, overlay_diagnostics
from herocloud.plan.draft import Draft
from herocloud.plan.overlay_keys import is_derived, node_subnet


def judge(draft: Draft) -> Draft:
    """Return the draft with what the rules find in it, and with what they want approved."""
    world = draft.world
    decisions = overlay_conflicts.approve_cutting_off(draft.stack, draft.decisions, world.recorded)
    found = list(overlay_conflicts.find(draft.stack, decisions, world, draft.places))
    found += _find_daemons(draft)
    if not any(diagnostic.code.startswith("overlay-key") for diagnostic in draft.found):
        found += _find_keys([decision.change for decision in decisions.values()], world.host, simulated=draft.simulated)
    everything = draft.everything
    if everything is not None and decisions is not draft.decisions:
        everything = tuple(decisions[NODE].change if change.address == NODE else change for change in everything)
    return draft._replace(decisions=decisions, everything=everything, found=(*draft.found, *found))


def is_carrying(draft: Draft) -> bool:
    """Return whether VMs run that a node which changes carries the traffic of."""
    node = draft.decisions.get(NODE)
    return node is not None and any(
        record.parts.get("power") in ALIVE for record in overlay_conflicts.carried(draft.stack, node.change, draft.world.recorded)
    )


def _find_daemons(draft: Draft) -> Iterator[Diagnostic]:
    host = draft.world.host
    if draft.operation == "destroy":
        return
    decision = draft.decisions.get(NODE)
    recorded = draft.world.recorded.records.get(draft.stack, {}).get(NODE)
    spec = decision.change.after if decision is not None else recorded.spec if recorded is not None and NODE in draft.places else None
    if spec is None:
        return
    if draft.simulated:
        yield from overlay_daemons.find_unknown(spec, decision, draft.places.get(NODE))
        return
    bridges = {
        part["bridge"]
        for decision in draft.decisions.values()
        for part in [step.after for step in decision.steps]
        if part and "bridge" in part
    }
    yield from overlay_daemons.find_interfaces(spec, host, bridges, draft.places.get(NODE))
    if host.overlay_daemon is not None:
        yield from overlay_daemons.find(spec, decision, host, draft.places.get(NODE))


def _find_keys(changes: Iterable[Change], host: Host, *, simulated: bool) -> Iterator[Diagnostic]:
    """Find addresses that come back while the keys that they follow from do not give them any more."""
    keys = dict(host.overlay_keys)
    if not keys:
        return
    lost: dict[str, Address] = {}
    for change in changes:
        if change.after is None or change.action.leaves:
            continue
        reference, wanted, before = _follows(change)
        known = keys.get(jsons.dumps(reference)) if reference else None
        if known is None or wanted is None or wanted == before:
            continue
        if known.public is None and not known.missing:
            yield overlay_diagnostics.overlay_key_unusable(change.address, known.problem, known.hint, None)
        elif known.public is None and not (simulated and is_derived(host, known.name, wanted)):
            lost.setdefault(known.name, change.address)
        elif known.public is not None and wanted not in (known.public, node_subnet(host, reference)):
            yield overlay_diagnostics.overlay_key_replaced(change.address, reference)
    if lost:
        yield overlay_diagnostics.overlay_key_missing(
            list(lost), list(lost.values()), None, used=True, simulated_host=host.name if simulated else None
        )


def _follows(change: Change) -> tuple[Json, str | None, str | None]:
    """Return a key that a change needs, and what follows from it afterwards and before: the /64 of a node, the public key of a guest."""
    after, before = change.after or {}, change.before or {}
    if change.kind == "mycelium":
        return after.get("key"), after.get("subnet"), before.get("subnet")
    own, was = (((spec.get("mycelium") or {}).get("key") or {}) for spec in (after, before))
    return ({"name": own["name"]} if own else None), own.get("public"), was.get("public")
