"""The entrance for `undo PLAN_ID`: taking back a finished apply as a plan of its own, which is shown before it runs.

The inverse is built from the plan that ran and from what each of its steps came to, not by planning the old stack file again: the old
file may be gone, and a plan from it would make a new, empty disk where the old one still lies in its tombstone. Where later applies
have touched the same addresses there is no way back that does not take something else along, so that is refused by name.
"""

from collections.abc import Collection, Mapping, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Part
from herocloud.model.applies import apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName, StepId
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Change, Fact, FieldDiff, Plan
from herocloud.model.steps import BESIDE, KINDS, NOTHING, STATE_PROVIDER, Claim, Step, restores_data
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.plan import (
    capacity,
    claims,
    facts,
    finish,
    half_changed,
    half_made,
    half_removed,
    inverses,
    kept_facts,
    lost_answers,
    lost_data,
    network_handovers,
    order,
    overpromised,
    reservations,
    step_compiler,
    undo_refusals,
)
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.inverses import Inverted
from herocloud.plan.lost_data import Kept
from herocloud.plan.past_apply import Past


def plan_undo(past: Past, recorded: Recorded, observed: Observed | None, host: Host, kept: Collection[Kept]) -> Plan:
    """Return the plan that takes back what was done; it carries errors where that is not possible any more.

    `kept` is the deleted data of the stack that is still there.
    """
    made = finish.finish(_draft(past, recorded, observed, host, kept, promising=True))
    if not capacity.fits(made.diagnostics) and not all(change.complete for change in made.changing):
        # More may have been promised than there is, and then it is promised again: what was half made is counted by what there is of it.
        again = finish.finish(_draft(past, recorded, observed, host, kept, promising=False))
        made = again if capacity.fits(again.diagnostics) else made
    diagnostics = tuple(undo_refusals.say_way_out(diagnostic) for diagnostic in made.diagnostics)
    return made._replace(undoes=apply_id(past.apply), diagnostics=diagnostics)


def _draft(past: Past, recorded: Recorded, observed: Observed | None, host: Host, kept: Collection[Kept], *, promising: bool) -> Draft:
    """Decide everything but the order; `promising` says that what is half made again is counted in full."""
    recorded = reservations.occupied(recorded, past.plan.stack)
    plan = past.plan
    settled = lost_answers.settle(past)
    past, seen = settled.past, observed
    observed = lost_answers.under_their_records(observed, settled.returned, plan.stack)
    halves = half_made.begun(plan, past.states, observed)
    # What stopped half-way is taken back where it stands among the others: what it was to be made from goes after it.
    changed = half_changed.begun(plan, past.states, observed)
    removed = half_removed.begun(plan, past.states, observed)
    left_off = halves.keys() | changed.keys() | removed.keys()
    done = [past.marked(changed.get(step.id, step)) for step in plan.steps if step.id in left_off or past.states.get(step.id) == "done"]
    by_address: dict[Address, list[Step]] = {}
    for step in done:
        by_address.setdefault(step.address, []).append(step)
    known = _under_both_names(kept, plan)
    counted = overpromised.as_counted(recorded, observed, host, plan.stack)
    diagnostics: list[Diagnostic] = []
    later = undo_refusals.changed_later(plan.changing, past)
    lost: list[tuple[Address, str]] = []
    clashes: list[tuple[Address, Address]] = []
    taken_back: dict[Address, Change] = {}
    inverted: dict[Address, Inverted] = {}
    decisions: dict[Address, Decision] = {}
    for change in reversed(plan.changing):
        unseen = lost_answers.renamed_unseen(change, settled.answered)
        present = _present(change, past, unseen=unseen)
        own = by_address.get(change.address, [])
        inverse = inverses.invert(change, own, halves, named_back=_named_back(change, past))
        idle = None if inverse.steps else lost_answers.put_record_back(change, settled, later)
        if idle is not None:
            inverse, present = idle, past.now[idle.address]
        if lost_answers.is_nothing(inverse, past.before.get(inverse.address), present):
            continue
        diagnostics += inverse.found
        clashes += _clash(inverse.address, change, taken_back)
        inverted[inverse.address], taken_back[inverse.address] = inverse, change
        taken_away = ((step, step.tombstone) for step in own if step.id in inverse.firsts)
        # What a later apply changed again is refused for that; where its data is by now is not ours to say.
        gone = [] if change.address in later else lost_data.lost_steps(taken_away, purged=plan.purge, kept=known)
        lost += [(inverse.address, step.part) for step in gone]
        left = {step.part: halves[step.id] for step in own if step.id in halves}
        inverted_change = _invert_change(change, inverse, past, present, left, gone)
        inverted_change = half_changed.without_unmade(inverted_change, own, changed)
        inverted_change = lost_answers.correct(inverted_change, change.address, present, settled, unseen=unseen, idle=idle is not None)
        ends = present, overpromised.claim_of(present, counted, observed), half_made.bytes_beside(left)
        decisions[inverse.address] = Decision(inverted_change, _balance(inverted_change, inverse, *ends, promising=promising))
    waits = _waits(done, inverted, decisions)
    changes = [decision.change for decision in decisions.values()]
    unsaid = [*changed.values(), *removed.values(), *settled.answered, *settled.returned]
    diagnostics += [
        *undo_refusals.find_clashes(clashes, past),
        *undo_refusals.find_touched(taken_back, later, past, observed, unsaid),
        *undo_refusals.find_replaced(done, past, observed),
        *undo_refusals.find_used(changes, past),
    ]
    # Where two end under one name, only one of them is in the draft, and whose slices are free it cannot tell.
    free = 0 if clashes else _wait_for_slices(changes, inverted, waits, recorded, plan.stack, diagnostics)
    diagnostics += undo_refusals.find_gone(lost, purged=plan.purge)
    return Draft(
        stack=plan.stack,
        operation="undo",
        world=World(recorded, seen, host),
        named_after=["undo", past.apply, plan.id],
        decisions=decisions,
        found=tuple(diagnostics),
        outputs=plan.outputs_before,
        used=capacity.used(counted, observed),
        waits=waits,
        free_slices=free,
        kept={address: _kept_facts(plan.stack, done, inverse, kept) for address, inverse in inverted.items()},
        complete=plan.complete,
        simulated=plan.simulated,
    )


def _clash(address: Address, change: Change, taken_back: Mapping[Address, Change]) -> list[tuple[Address, Address]]:
    """Return an address with the name of what would get it back although something else ends there too."""
    if address not in taken_back:
        return []
    return [(address, change.address if change.previous_address else taken_back[address].address)]


def _waits(done: Sequence[Step], inverted: Mapping[Address, Inverted], decisions: Mapping[Address, Decision]) -> dict[StepId, set[StepId]]:
    """Return what steps wait for in other changes: the order of the apply turned around, and what passes from one to another."""
    waits = inverses.reverse_needs(done, inverted.values())
    order.wait_for_names(decisions, waits)
    network_handovers.wait_for_release(decisions, waits)
    return waits


def restored(past: Past) -> bool:
    """Return whether taking this back brings deleted data back, so that what is kept of it has to be looked up."""
    return any(KINDS[step.kind].destroys_data and past.states.get(step.id) not in (None, "skipped", "undone") for step in past.plan.steps)


def _under_both_names(kept: Collection[Kept], plan: Plan) -> list[Kept]:
    """Return what is kept: what was removed under another name than its first is kept under that."""
    moved = [(change.address, change.previous_address) for change in plan.changing if change.previous_address]
    known = [*kept, *(one._replace(address=old) for one in kept for new, old in moved if one.address == new)]
    return known + [one._replace(address=new) for one in known for new, old in moved if one.address == old]


def _kept_facts(stack: StackName, done: Sequence[Step], inverse: Inverted, kept: Collection[Kept]) -> tuple[Fact, ...]:
    makers_of_data = (step.tombstone for step in done if step.id in inverse.firsts and KINDS[step.kind].destroys_data)
    return tuple(kept_facts.facts_of(stack, makers_of_data, kept))


def _invert_change(
    change: Change, inverse: Inverted, past: Past, present: Record | None, halves: half_made.Parts, gone: Collection[Step]
) -> Change:
    origin = past.before.get(inverse.address)
    if origin is not None and not origin.complete and not _leaves_anything(inverse, present):
        # What an even earlier apply meant to make and did not: with nothing there, nothing has to be remembered of it.
        origin = None
    only_records = all(step.provider == STATE_PROVIDER for step in inverse.steps)
    action = _action(change, inverse, origin, present, only_records=only_records)
    loses = any(KINDS[step.kind].destroys_data for step in inverse.steps)
    complete = origin is None or origin.complete or _only_renames(inverse, origin, present)
    lacking = half_made.say_lacking(origin, _parts_after(inverse, present), complete=complete) if origin else ""
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
        previous_address=change.address if change.previous_address and present is not None and present.address == change.address else None,
        sid=origin.sid if origin else present.sid if present else change.sid,
        protect=origin.protect if origin else False,
        protected=bool(present and present.protect) and action in (Action.DELETE, Action.REPLACE),
        needs=origin.needs if origin else (),
        note="; ".join(filter(None, (_note(action, inverse, gone), lacking))),
        parts_before=present.parts if present else None,
        complete=complete,
    )


def _only_renames(inverse: Inverted, origin: Record, present: Record | None) -> bool:
    """Return whether something whole gets its old name back and nothing else: it is as whole under that one."""
    marks = all(KINDS[step.kind].moves_mark or step.provider == STATE_PROVIDER for step in inverse.steps)
    return marks and present is not None and present.complete and present.spec == origin.spec


def _present(change: Change, past: Past, *, unseen: bool) -> Record | None:
    """Return the record of a change as it is now; `unseen` says that a rename has come about and is not recorded."""
    old = change.previous_address
    return past.now.get(((_named_back(change, past) or (unseen and old in past.now)) and old) or change.address)


def _named_back(change: Change, past: Past) -> bool:
    """Return whether a rollback that did not come to its end has given the old name back already."""
    marks = (step for step in past.plan.steps if step.address == change.address and KINDS[step.kind].moves_mark)
    return any(past.states.get(step.id) == "undone" for step in marks)


def _turned(field: FieldDiff, action: Action) -> FieldDiff:
    """Return a field diff the other way round, without the reason for a replacement where nothing is replaced."""
    turned = field._replace(before=field.after, after=field.before)
    staying = field.impact >= Impact.REPLACE and action in (Action.UPDATE, Action.STOP, Action.REBOOT)
    return turned._replace(impact=Impact.LIVE, why="") if staying else turned


def _balance(change: Change, inverse: Inverted, present: Record | None, there: Claim, beside: int, *, promising: bool) -> list[Step]:
    """Return the steps with what they take and give in all being what the record comes to hold less or more.

    Steps turned around tell most of it. An apply that completed something half-made took nothing that was not counted before, and one
    that takes a creation back leaves its data in a tombstone, which goes on taking its room. `there` is what the record counts for now, and
    `beside` are the bytes of what is half made beside a part, which is counted apart from the record.
    """
    steps = [_buried(step) for step in inverse.steps]
    wanted = None
    if present and change.after is not None:
        # What was prepared and not placed is discarded.
        staying = {part: body for part, body in _parts_after(inverse, present).items() if not part.endswith(BESIDE)}
        target = present._replace(spec=change.after, parts=staying)
        whole = promising or change.complete
        wanted = claims.claim_of(target) if whole else overpromised.claim_as_there(target, staying)
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
    steps, less = _taking_what_is_promised(steps, less)
    steps[-1] = steps[-1]._replace(gives=_sum(steps[-1].gives, less))
    return steps


def _taking_what_is_promised(steps: Sequence[Step], promised: Claim) -> tuple[list[Step], Claim]:
    """Return the steps taking only what is not counted for their record already, and how much of that is not taken at all.

    What is gone and promised is taken once, when it comes again; given back at the end of the change, it would be counted twice till then.
    """
    taking = []
    for step in steps:
        counted = Claim(*map(min, step.takes, promised))
        taking.append(step._replace(takes=_less(step.takes, counted)) if any(counted) else step)
        promised = _less(promised, counted)
    return taking, promised


def _restores(step: Step) -> bool:
    """Return whether a step brings deleted data back."""
    return restores_data(step.kind) and step.before is None


def _buried(step: Step) -> Step:
    return step._replace(gives=step.gives._replace(disk=0)) if KINDS[step.kind].destroys_data and step.origin is None else step


def _sum(claim: Claim, other: Claim) -> Claim:
    return Claim(*map(sum, zip(claim, other, strict=True)))


def _less(claim: Claim, other: Claim) -> Claim:
    return Claim(*(one - less for one, less in zip(claim, other, strict=True)))


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
        if step.part == "machine" and (step.before is None or step.after is None):
            # A machine comes as one that is off, and its power goes with it.
            parts.pop("power", None)
            parts |= {"power": "stopped"} if step.after is not None else {}
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


def _note(action: Action, inverse: Inverted, gone: Collection[Step]) -> str:
    if gone:
        what = "snapshot" if all(step.part.startswith(SNAPSHOT) for step in gone) else "data from before"
        return f"the {what} is gone for good"
    size = sum(step.before["size"] for step in inverse.steps if KINDS[step.kind].destroys_data)
    back = sum(step.after["size"] for step in inverse.steps if restores_data(step.kind))
    swapped = any(KINDS[step.kind].destroys_data and step.origin is not None for step in inverse.steps)
    if back and (action is Action.REPLACE or swapped):
        since = lost_data.say_fate(purge=swapped)
        return f"{sizes.show_size(back)} of data comes back, and what was written since {since}"
    if size:
        return f"{sizes.show_size(size)} of data {lost_data.say_fate(purge=False)}"
    return f"{sizes.show_size(back)} of data comes back" if back else ""


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
    taken: list[tuple[Address, Sid, str]] = []
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
                    taken.append((change.address, sid, holder))
                else:
                    lasts.add(inverted[other.address].last)
        for step in inverted[change.address].steps if lasts else ():
            needs.setdefault(step.id, set()).update(lasts)
    if taken:
        diagnostics.append(undo_refusals.slices_taken(taken))
    return free
