"""The entrance for `undo PLAN_ID`: taking back a finished apply as a plan of its own, which is shown before it runs.

The inverse is built from the plan that ran and from what each of its steps came to, not by planning the old stack file again: the old
file may be gone, and a plan from it would make a new, empty disk where the old one still lies in its tombstone. Where later applies
have touched the same addresses there is no way back that does not take something else along, so that is refused by name.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import jsons, sizes
from herocloud.kits.jsons import Part
from herocloud.model import makers
from herocloud.model.applies import apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Change, Fact, FieldDiff, Plan
from herocloud.model.steps import BESIDE, KINDS, NOTHING, STATE_PROVIDER, Claim, Step, restores_data
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.plan import capacity, facts, finish, half_made, inverses, kept_facts, lost_data, order, reservations, step_compiler
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.inverses import Inverted
from herocloud.plan.lost_data import Kept

Records = Mapping[Address, Record]

_NAMED = 5
"""How many users of one thing are named at most."""


class Past(NamedTuple):
    """A finished apply, with the records of its stack around it."""

    apply: int
    """Its number in the state."""
    plan: Plan
    states: Mapping[StepId, str]
    """How far each step got."""
    before: Records
    after: Records
    now: Records

    @property
    def done(self) -> list[Step]:
        """Return the steps that were done, in the order of the plan."""
        return [step for step in self.plan.steps if self.states.get(step.id) == "done"]

    def marked(self, step: Step) -> Step:
        """Return a step that took data away with the name of its tombstone, which goes on to the step that takes it back."""
        destroys = KINDS[step.kind].destroys_data
        return step._replace(tombstone=makers.maker_of(step, self.plan.id, apply_id(self.apply))) if destroys else step


def plan_undo(past: Past, recorded: Recorded, observed: Observed | None, host: Host, kept: Collection[Kept]) -> Plan:
    """Return the plan that takes back what was done; it carries errors where that is not possible any more.

    `kept` is the deleted data of the stack that is still there.
    """
    recorded = reservations.occupied(recorded, past.plan.stack)
    plan = past.plan
    halves = half_made.begun(plan, past.states, observed)
    # What stopped half-way is taken back where it stands among the others: what it was to be made from goes after it.
    done = [past.marked(step) for step in plan.steps if step.id in halves or past.states.get(step.id) == "done"]
    by_address: dict[Address, list[Step]] = {}
    for step in done:
        by_address.setdefault(step.address, []).append(step)
    diagnostics: list[Diagnostic] = []
    inverted: dict[Address, Inverted] = {}
    decisions: dict[Address, Decision] = {}
    for change in reversed(plan.changing):
        if change.address not in by_address:
            continue
        inverse = inverses.invert(change, by_address[change.address], halves)
        if not inverse.steps:
            continue
        diagnostics += inverse.found
        diagnostics += _refuse_touched(change, inverse.address, past, observed)
        inverted[inverse.address] = inverse
        left = {step.part: halves[step.id] for step in by_address[change.address] if step.id in halves}
        inverted_change = _invert_change(change, inverse, past, left)
        beside = half_made.bytes_beside(left)
        decisions[inverse.address] = Decision(inverted_change, _balance(inverted_change, inverse, past.now.get(change.address), beside))
    waits = inverses.reverse_needs(done, inverted.values())
    order.wait_for_names(decisions, waits)
    changes = [decision.change for decision in decisions.values()]
    diagnostics += _refuse_used(changes, past)
    free = _wait_for_slices(changes, inverted, waits, recorded, plan.stack, diagnostics)
    relied = {address: _kept_facts(plan.stack, done, inverse, kept) for address, inverse in inverted.items()}
    # What was removed under another name than its first is kept under that.
    moved = [(change.address, change.previous_address) for change in plan.changing if change.previous_address]
    kept = [*kept, *(one._replace(address=old) for one in kept for new, old in moved if one.address == new)]
    kept += [one._replace(address=new) for one in kept for new, old in moved if one.address == old]
    taken_away = [step for step in done if any(step.id in inverse.firsts for inverse in inverted.values())]
    lost = lost_data.lost_addresses(((step, step.tombstone) for step in taken_away), purged=plan.purge, kept=kept)
    names = {change.address: change.previous_address or change.address for change in plan.changing}
    diagnostics += [_lost(names[address], purged=plan.purge) for address in lost]
    return finish.finish(
        Draft(
            stack=plan.stack,
            operation="undo",
            world=World(recorded, observed, host),
            named_after=["undo", past.apply, plan.id],
            decisions=decisions,
            found=tuple(diagnostics),
            outputs=plan.outputs_before,
            used=capacity.used(recorded, observed),
            waits=waits,
            free_slices=free,
            kept=relied,
            complete=plan.complete,
            simulated=plan.simulated,
        )
    )


def restored(past: Past) -> bool:
    """Return whether taking this back brings deleted data back, so that what is kept of it has to be looked up."""
    return any(KINDS[step.kind].destroys_data for step in past.done)


def _kept_facts(stack: StackName, done: Sequence[Step], inverse: Inverted, kept: Collection[Kept]) -> tuple[Fact, ...]:
    makers_of_data = (step.tombstone for step in done if step.id in inverse.firsts and KINDS[step.kind].destroys_data)
    return tuple(kept_facts.facts_of(stack, makers_of_data, kept))


def _lost(address: Address, *, purged: bool) -> Diagnostic:
    why = "was purged" if purged else "is not kept any more: it was purged, its time to live has passed, or an undo that failed lost it"
    detail = f"The data of `{address}` {why}. Its deletion cannot be taken back."
    return Diagnostic(
        "undo-data-gone",
        "Deleted data is gone",
        detail,
        address=address,
        hint="apply a stack file that asks for it: it is re-created, and empty",
    )


def _invert_change(change: Change, inverse: Inverted, past: Past, halves: half_made.Parts) -> Change:
    origin = past.before.get(inverse.address)
    present = past.now.get(change.address)
    if origin is not None and not origin.complete and not _leaves_anything(inverse, present):
        # What an even earlier apply meant to make and did not: with nothing there, nothing has to be remembered of it.
        origin = None
    only_records = all(step.provider == STATE_PROVIDER for step in inverse.steps)
    action = _action(change, inverse, origin, present, only_records=only_records)
    loses = any(KINDS[step.kind].destroys_data for step in inverse.steps)
    return Change(
        address=inverse.address,
        kind=change.kind,
        action=action,
        reason=Reason.UNDO,
        impact=_impact(action, loses=loses, only_records=only_records),
        provider=origin.provider if origin else present.provider if present else change.provider,
        before=present.spec if present else None,
        after=origin.spec if origin else None,
        fields=(*(_turned(field, action) for field in change.fields), *half_made.fields(halves, {})),
        previous_address=change.address if change.previous_address and present is not None else None,
        sid=origin.sid if origin else present.sid if present else change.sid,
        protect=origin.protect if origin else False,
        protected=bool(present and present.protect) and action in (Action.DELETE, Action.REPLACE),
        needs=origin.needs if origin else (),
        note=_note(action, inverse),
        parts_before=present.parts if present else None,
    )


def _turned(field: FieldDiff, action: Action) -> FieldDiff:
    """Return a field diff the other way round, without the reason for a replacement where nothing is replaced."""
    turned = field._replace(before=field.after, after=field.before)
    staying = field.impact >= Impact.REPLACE and action in (Action.UPDATE, Action.STOP, Action.REBOOT)
    return turned._replace(impact=Impact.LIVE, why="") if staying else turned


def _balance(change: Change, inverse: Inverted, present: Record | None, beside: int) -> list[Step]:
    """Return the steps with what they take and give in all being what the record comes to hold less or more.

    Steps turned around tell most of it. An apply that completed something half-made took nothing that was not counted before, and one
    that takes a creation back leaves its data in a tombstone, which goes on taking its room. `beside` are the
    bytes of what is half made beside a part, which is counted apart from the record.
    """
    steps = [_buried(step) for step in inverse.steps]
    there = capacity.claim_of(present) if present else NOTHING
    wanted = None
    if present and change.after is not None:
        # What was prepared and not placed is discarded.
        staying = {part: body for part, body in _parts_after(inverse, present).items() if not part.endswith(BESIDE)}
        wanted = capacity.claim_of(present._replace(spec=change.after, parts=staying))
    if wanted is None:
        if change.after is not None:
            return steps
        wanted = NOTHING
    buried = sum(step.before["size"] for step in steps if KINDS[step.kind].destroys_data and step.origin is None)
    dug = sum(step.after["size"] for step in steps if _restores(step))
    wanted = wanted._replace(disk=wanted.disk + buried - dug - beside)
    moved = [sum(step.takes[number] - step.gives[number] for step in steps) for number in range(len(NOTHING))]
    missing = [now - before - change for now, before, change in zip(wanted, there, moved, strict=True)]
    more, less = Claim(*(max(0, one) for one in missing)), Claim(*(max(0, -one) for one in missing))
    steps[0] = steps[0]._replace(takes=_sum(steps[0].takes, more))
    steps[-1] = steps[-1]._replace(gives=_sum(steps[-1].gives, less))
    return steps


def _restores(step: Step) -> bool:
    """Return whether a step brings deleted data back."""
    return restores_data(step.kind) and step.before is None


def _buried(step: Step) -> Step:
    return step._replace(gives=step.gives._replace(disk=0)) if KINDS[step.kind].destroys_data and step.origin is None else step


def _sum(claim: Claim, other: Claim) -> Claim:
    return Claim(*map(sum, zip(claim, other, strict=True)))


def _leaves_anything(inverse: Inverted, present: Record | None) -> bool:
    """Return whether anything is there once the inverse steps are done."""
    return bool(_parts_after(inverse, present).keys() - {"power"})


def _parts_after(inverse: Inverted, present: Record | None) -> dict[str, Part]:
    """Return the parts that are there once the inverse steps are done."""
    parts = dict(present.parts) if present else {}
    for step in inverse.steps:
        if step.after is not None and step.part not in ("record", "mark"):
            parts[step.part] = step.after
        elif step.after is None:
            parts.pop(step.part, None)
    return parts


def _action(change: Change, inverse: Inverted, origin: Record | None, present: Record | None, *, only_records: bool) -> Action:
    """Name what the inverse steps do to the thing itself; what was done to it before says little about that.

    An apply that completed a half-made VM is called `create` in its plan, although the VM has a record from before.
    """
    if only_records:
        return Action.FORGET if origin is None else Action.ADOPT if present is None else _on_records(change)
    body = "machine" if change.kind == "vm" else inverse.steps[0].part if len(inverse.steps) == 1 else None
    of_body = [step for step in inverse.steps if step.part == body]
    goes, comes = (any(getattr(step, end) is None for step in of_body) for end in ("after", "before"))
    if origin is None:
        return Action.DELETE
    if any(KINDS[step.kind].destroys_data for step in inverse.steps) and any(_restores(step) for step in inverse.steps):
        # The data that is there makes room for the data from before, whether or not a machine had it then.
        return Action.REPLACE
    if goes and not comes:
        return Action.DELETE
    if present is None or (comes and not goes):
        return Action.CREATE
    if goes:
        return Action.REPLACE
    if all(KINDS[step.kind].moves_mark for step in inverse.steps):
        return Action.MOVE
    kinds = [KINDS[step.kind] for step in inverse.steps]
    if step_compiler.leaves_it_down(inverse.steps):
        return Action.STOP
    return Action.REBOOT if any(kind.stops for kind in kinds) and any(kind.boots for kind in kinds) else Action.UPDATE


def _on_records(change: Change) -> Action:
    return change.action if change.action in (Action.MOVE, Action.UPDATE) else Action.UPDATE


def _impact(action: Action, *, loses: bool, only_records: bool) -> Impact:
    if loses:
        return Impact.DATA
    if action in (Action.DELETE, Action.REPLACE):
        return Impact.REPLACE
    if action in (Action.STOP, Action.REBOOT):
        return Impact.STOP if action is Action.STOP else Impact.REBOOT
    return Impact.NONE if only_records or action in (Action.MOVE, Action.FORGET) else Impact.LIVE


def _note(action: Action, inverse: Inverted) -> str:
    size = sum(step.before["size"] for step in inverse.steps if KINDS[step.kind].destroys_data)
    back = sum(step.after["size"] for step in inverse.steps if restores_data(step.kind))
    if action is Action.REPLACE and back:
        swapped = any(KINDS[step.kind].destroys_data and step.origin is not None for step in inverse.steps)
        since = lost_data.say_fate(purge=swapped)
        return f"{sizes.show_size(back)} of data comes back, and what was written since {since}"
    if size:
        return f"{sizes.show_size(size)} of data {lost_data.say_fate(purge=False)}"
    return f"{sizes.show_size(back)} of data comes back" if back else ""


def _refuse_touched(change: Change, address: Address, past: Past, observed: Observed | None) -> list[Diagnostic]:
    """Say what has happened to an address since the apply, to its record or behind its back."""
    name, here = apply_id(past.apply), {change.address, address}
    if any(past.after.get(address) != past.now.get(address) for address in here):
        detail = f"`{change.address}` was changed again after `{name}`. Undo the later apply first, or change the stack file and apply."
        return [Diagnostic("undo-touched", "A later apply changed the same resource", detail, address=change.address)]
    record = past.now.get(change.address)
    if observed is None or record is None:
        return []
    thing = observed.things.get(past.plan.stack, {}).get(change.address)
    if jsons.dumps(thing.parts if thing else {}) == jsons.dumps(record.parts):
        return []
    detail = f"`{change.address}` is not as `{name}` left it. `herocloud drift` shows the difference, `herocloud apply` settles it."
    return [Diagnostic("undo-drifted", "A resource has changed behind our back", detail, address=change.address)]


def _refuse_used(changes: Sequence[Change], past: Past) -> Iterator[Diagnostic]:
    """Name what later applies made that relies on something which would go, or which would get its old name back."""
    touched = {change.previous_address or change.address for change in changes}
    staying = {change.address for change in changes if change.action is not Action.DELETE}
    for gone in sorted(touched - staying):
        users = [address for address, record in past.now.items() if address not in touched and gone in record.needs]
        if users:
            names = ", ".join(f"`{address}` of stack `{past.plan.stack}`" for address in users[:_NAMED]) + (
                f" and {len(users) - _NAMED} more" * (len(users) > _NAMED)
            )
            detail = (
                f"{names} came after `{apply_id(past.apply)}` and {'relies' if len(users) == 1 else 'rely'} on `{gone}`, which would go."
            )
            hint = (
                "undo the later apply first (`herocloud state log` lists them), or take what relies on it out of the stack file and apply"
            )
            yield Diagnostic("undo-used", "Something newer relies on it", detail, address=gone, hint=hint)


def _wait_for_slices(
    changes: Sequence[Change],
    inverted: Mapping[Address, Inverted],
    needs: dict[StepId, set[StepId]],
    recorded: Recorded,
    stack: StackName,
    diagnostics: list[Diagnostic],
) -> int:
    """Make VMs that get slices back wait until they are free in the state; returns how many of them are free already."""
    holders = facts.held_slices(recorded)
    keeps = {f"{stack}/{change.previous_address or change.address}": change for change in changes}
    free = 0
    for change in changes:
        wanted = (change.after or {}).get("slices") or ()
        lasts: set[StepId] = set()
        for sid in wanted:
            holder = holders.get(sid)
            if holder is None:
                free += 1
            elif holder != f"{stack}/{change.previous_address or change.address}":
                other = keeps.get(holder)
                if other is None or sid in ((other.after or {}).get("slices") or ()):
                    diagnostics.append(_taken(change.address, sid, holder))
                else:
                    lasts.add(inverted[other.address].last)
        for step in inverted[change.address].steps if lasts else ():
            needs.setdefault(step.id, set()).update(lasts)
    return free


def _taken(address: Address, sid: str, holder: str) -> Diagnostic:
    detail = f"`{address}` had slice `{sid}`, which `{holder}` holds by now. Free it there, or apply the old stack file: it takes another."
    return Diagnostic("undo-slice-taken", "A slice was given to somebody else", detail, address=address)
