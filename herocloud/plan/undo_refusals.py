"""Why an apply cannot be taken back: one finding for each cause, which names everything that it stops.

The address of a finding that is about several is the first of them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from herocloud.kits import jsons
from herocloud.model import ids
from herocloud.model.applies import apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, Sid
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Change
from herocloud.model.steps import BESIDE, KINDS, Step, exchanges_data
from herocloud.model.words import Action
from herocloud.model.worlds import Observed, Thing
from herocloud.plan import capacity
from herocloud.plan.past_apply import Past

_NAMED = 5
"""How many things are named at most."""
_OF_OTHERS = ("port-taken", "range-taken", "interface-taken")
"""Findings about what another has by now; what the undone stack file asked for, an undo cannot ask for differently."""


def changed_later(changes: Iterable[Change], past: Past) -> set[Address]:
    """Return what has another record than the apply left, under its name from before or the one from after."""
    names = ((change.address, change.previous_address or change.address) for change in changes)
    return {address for address, origin in names if any(past.after.get(one) != past.now.get(one) for one in (address, origin))}


def find_touched(
    changes: Mapping[Address, Change], later: Collection[Address], past: Past, observed: Observed | None, left_off: Collection[Step]
) -> Iterator[Diagnostic]:
    """Say what has happened since the apply to the records of what it changed, or behind their back; the keys are the names from before.

    What steps have `left_off` is not as its record says, and that is the doing of the apply itself.
    """
    between = {(step.address, part) for step in left_off for part in _parts_of(step)}
    name = apply_id(past.apply)
    touched: list[Address] = []
    drifted: list[Address] = []
    things = observed.things.get(past.plan.stack, {}) if observed is not None else {}
    for change in changes.values():
        record = past.now.get(change.address)
        if change.address in later:
            touched.append(change.address)
        elif observed is not None and record is not None:
            thing = things.get(change.address)
            seen, known = (
                {part: body for part, body in parts.items() if (change.address, part) not in between}
                for parts in (thing.parts if thing else {}, record.parts)
            )
            if jsons.dumps(seen) != jsons.dumps(known):
                drifted.append(change.address)
    if touched:
        were = "was" if len(touched) == 1 else "were"
        detail = f"{_fold(touched)} {were} changed again after `{name}`. Undo the later apply first, or change the stack file and apply."
        yield Diagnostic("undo-touched", "A later apply changed the same resource", detail, address=_first(touched))
    if drifted:
        are = "is" if len(drifted) == 1 else "are"
        detail = f"{_fold(drifted)} {are} not as `{name}` left {'it' if len(drifted) == 1 else 'them'}."
        rest = "`herocloud drift` shows the difference, `herocloud apply` settles it."
        yield Diagnostic("undo-drifted", "A resource has changed behind our back", f"{detail} {rest}", address=_first(drifted))


def _parts_of(step: Step) -> tuple[str, ...]:
    """Return the parts that a step changes: a machine that comes or goes takes its power along, and what is placed was beside."""
    if step.part == "machine" and (step.before is None or step.after is None):
        return "machine", "power"
    return (step.part, f"{step.part}{BESIDE}") if KINDS[step.kind].places else (step.part,)


def find_replaced(steps: Iterable[Step], past: Past, observed: Observed | None) -> Iterator[Diagnostic]:
    """Say which disks are not the ones any more that these steps put there out of a snapshot: no record tells the two apart."""
    if past.plan.operation == "undo" or observed is None:
        return
    things = observed.things.get(past.plan.stack, {})
    restoring = (step for step in steps if exchanges_data(step.kind))
    same = (step for step in restoring if past.after.get(step.address) == past.now.get(step.address))
    found = [step.address for step in same if not _is_from(step, things.get(step.address))]
    if found:
        name = apply_id(past.apply)
        whose = "The disk of {} is not the one" if len(found) == 1 else "The disks of {} are not those"
        detail = f"{whose.format(_fold(found))} that `{name}` put there: another restoring came after it."
        rest = f"Undo that one first (`herocloud state log` lists it); `{name}` then brings back what it replaced."
        yield Diagnostic("undo-touched", "A later apply changed the same resource", f"{detail} {rest}", address=_first(found))


def _is_from(step: Step, thing: Thing | None) -> bool:
    return thing is not None and thing.restored.get(step.part) == step.origin["token"]


def find_used(changes: Sequence[Change], past: Past) -> Iterator[Diagnostic]:
    """Name what later applies made that relies on something which would go, or which would get its old name back.

    What relied on it under its old name already follows the name back: no later apply made it.
    """
    touched = {change.previous_address or change.address for change in changes}
    staying = {change.address for change in changes if change.action is not Action.DELETE}
    old_names = {change.previous_address: change.address for change in changes if change.previous_address is not None}
    for gone in sorted(touched - staying):
        users = [address for address, record in past.now.items() if address not in touched and gone in record.needs]
        if gone in old_names:
            users = [address for address in users if address not in past.before or old_names[gone] not in past.before[address].needs]
        if users:
            names = _name([f"`{address}` of stack `{past.plan.stack}`" for address in users])
            detail = (
                f"{names} came after `{apply_id(past.apply)}` and {'relies' if len(users) == 1 else 'rely'} on `{gone}`, which would go."
            )
            hint = (
                "undo the later apply first (`herocloud state log` lists them), or take what relies on it out of the stack file and apply"
            )
            yield Diagnostic("undo-used", "Something newer relies on it", detail, address=gone, hint=hint)


def slices_taken(taken: Collection[tuple[Address, Sid, str]]) -> Diagnostic:
    """Say which VMs had slices that others (`stack/address`) hold by now."""
    vms, holders = list(dict.fromkeys(vm for vm, _, _ in taken)), list(dict.fromkeys(holder for _, _, holder in taken))
    one = len(taken) == 1
    slices = _name([f"`{sid}`" for _, sid, _ in taken])
    by = _name([f"`{holder}`" for holder in holders])
    detail = (
        f"{_fold(vms)} had {'slice' if one else 'the slices'} {slices}, which {by} {'holds' if len(holders) == 1 else 'hold'} by now. "
        f"Free {'it' if one else 'them'} there, or apply the old stack file: it takes {'another' if one else 'others'}."
    )
    return Diagnostic("undo-slice-taken", "A slice was given to somebody else", detail, address=_first(vms))


def find_clashes(clashes: Iterable[tuple[Address, Address]], past: Past) -> Iterator[Diagnostic]:
    """Name what would be removed and whose name another would get back: each with the name that the other has now."""
    for address, other in clashes:
        detail = f"`{address}` would be removed, and `{other}` would get that name back. An undo cannot do both."
        hint = (
            f"apply the stack file from before `{apply_id(past.apply)}` again: it moves `{other}`, and puts what has its name aside first"
        )
        yield Diagnostic("undo-name-taken", "Another has the name", detail, address=address, hint=hint)


def find_gone(lost: Collection[tuple[Address, str]], *, purged: bool) -> Iterator[Diagnostic]:
    """Say what of the deleted data cannot come back: which parts of which addresses."""
    why = "was purged" if purged else "is not kept any more: it was purged, its time to live has passed, or an undo destroyed it"
    data = list(dict.fromkeys(address for address, part in lost if not part.startswith(SNAPSHOT)))
    if data:
        detail = f"The data of {_fold(data)} {why}. Its deletion cannot be taken back."
        hint = f"apply a stack file that asks for it: it is re-created, and empty; {_EARLIER}"
        yield Diagnostic("undo-data-gone", "Deleted data is gone", detail, address=_first(data), hint=hint)
    snapshots = [(address, part.removeprefix(SNAPSHOT)) for address, part in lost if part.startswith(SNAPSHOT) and address not in data]
    if snapshots:
        names = _name([f"`{name}` of `{address}`" for address, name in snapshots])
        detail = f"Each of these snapshots {why}: {names}." if len(snapshots) > 1 else f"The snapshot {names} {why}."
        detail += " The deletion cannot be taken back; nothing else is lost."
        hint = _EARLIER
        address = _first(address for address, _ in snapshots)
        yield Diagnostic("undo-snapshot-gone", "A deleted snapshot is gone", detail, address=address, hint=hint)


_EARLIER = "`herocloud undo APPLY_ID` takes back what was done before it; `herocloud state log` lists that"


def say_way_out(found: Diagnostic) -> Diagnostic:
    """Return a finding with a way out that an undo has: it brings back all of what was there, so nothing can be taken out of it."""
    if found.code in _OF_OTHERS:
        return found._replace(hint="free it there first, or bring back the rest by way of the stack file")
    if capacity.fits([found]):
        return found
    _, more, rest = (found.hint or "").partition("; ")
    hint = f"make room for it first, or put back what fits by way of the stack file{more}{rest}"
    return found._replace(hint=hint.removesuffix(", `--purge` deletes it at once"))


def _first(addresses: Iterable[Address]) -> Address:
    return min(addresses, key=ids.sort_key)


def _fold(addresses: Iterable[Address]) -> str:
    return _name([f"`{one}`" for one in ids.fold_addresses(addresses)])


def _name(things: Sequence[str]) -> str:
    return ", ".join(things[:_NAMED]) + (f" and {len(things) - _NAMED} more" if len(things) > _NAMED else "")
