"""What VMs without a record hold on to: volumes and networks, which are not given to others and do not go while they are in use.

The slices and addresses of such a VM are left alone by the ledger. What it uses by name has a record of its own, which says nothing of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from herocloud.kits.jsons import Part
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import Address, StackName
from herocloud.model.specs import plugged
from herocloud.model.steps import KINDS, Step
from herocloud.model.worlds import Observed, Recorded, Thing
from herocloud.plan import capacity, orphan_diagnostics, stray_names
from herocloud.plan.changes import Decision


def find(
    stack: StackName,
    steps: Sequence[Step],
    decisions: Mapping[Address, Decision],
    recorded: Recorded,
    observed: Observed | None,
    places: Mapping[Address, Place | None],
) -> Iterator[Diagnostic]:
    """Find steps that would take away or change what an orphan of the stack uses, or give it to somebody else."""
    orphans = list(_orphans(stack, decisions, recorded, observed)) if observed is not None else []
    if not orphans:
        return
    volumes = {plugged(use): (thing.address, use) for thing in orphans for use in _uses(thing.parts.get("machine"))}
    cards = [(thing.address, part) for thing in orphans for key, part in thing.parts.items() if key.startswith("nic.")]
    networks = {card["network"]: address for address, card in cards if card.get("network")}
    told: set[tuple[str, str]] = set()
    for step in steps:
        for what, owner in _touched(step, decisions, volumes, networks):
            if (step.address, what) not in told:
                told.add((step.address, what))
                yield orphan_diagnostics.in_use_by_orphan(step.address, _verb(step), what, owner, places.get(step.address))


def _orphans(stack: StackName, decisions: Mapping[Address, Decision], recorded: Recorded, observed: Observed) -> Iterator[Thing]:
    """Yield the VMs of a stack that nobody recorded; one that this plan is about has its own order in it."""
    known = {address for decision in decisions.values() for address in (decision.change.address, decision.change.previous_address)}
    known |= set(stray_names.find_recorded(stack, recorded, observed).values())
    for thing in capacity.without_record(recorded, observed):
        ours = thing.stack == stack and thing.lineage in (None, recorded.lineage)
        if ours and thing.address.startswith("vm.") and thing.address not in known:
            yield thing


def _touched(
    step: Step,
    decisions: Mapping[Address, Decision],
    volumes: Mapping[str, tuple[Address, Mapping[str, object]]],
    networks: Mapping[str, Address],
) -> Iterator[tuple[str, Address]]:
    """Yield what an orphan uses and this step would touch, with that orphan."""
    if KINDS[step.kind].moves_mark:
        return
    if step.part == "volume" and step.before is not None:
        stem = str(step.before["path"]).rpartition("/")[2].removesuffix(".raw")
        if stem in volumes:
            yield step.address, volumes[stem][0]
    elif step.part == "network" and step.before is not None and not _keeps_addresses(step):
        origin = decisions[step.address].change.previous_address if step.address in decisions else None
        for address in filter(None, (step.address, origin)):
            owner = networks.get(address.partition(".")[2])
            if owner is not None:
                yield step.address, owner
    elif step.part == "machine" and KINDS[step.kind].takes_volumes:
        before = {plugged(use) for use in _uses(step.before)}
        for use in _uses(step.after):
            owner, held = volumes.get(plugged(use), (None, {}))
            if owner is not None and plugged(use) not in before and not (use.get("readonly") and held.get("readonly")):
                yield f"volume.{use['volume']}", owner


def _keeps_addresses(step: Step) -> bool:
    after = step.after or {}
    return all(step.before[field] == after.get(field) for field in ("cidr", "gateway") if field in step.before)


def _uses(machine: Part) -> Iterable[Mapping[str, object]]:
    return (machine or {}).get("volumes") or ()


def _verb(step: Step) -> str:
    if step.part == "machine":
        return "takes"
    return "removes" if step.after is None else "changes"
