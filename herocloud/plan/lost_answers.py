"""Steps that failed and had their whole effect all the same: the answer got lost, and only the world tells.

An undo of such an apply takes back what was made, put in its place or renamed as if the journal said that it was done, and so it does what
is half ended. What is changed in place or removed follows from the parts that are there (`half_changed`, `half_removed`). Where nothing at
all has come about, the record alone is left to be put back.

A rollback loses answers in the same way: a step that it has taken back is still recorded as done. What the world says of such a step
counts, and not its record; a name alone is given back once more, because the record gets it only by that.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.applies import ENDED
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Change
from herocloud.model.steps import BESIDE, KINDS, RECORD_WRITE, STATE_PROVIDER, Step, beside, discard_kind
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import Observed, Record
from herocloud.plan import stray_names
from herocloud.plan.inverses import Inverted
from herocloud.plan.past_apply import Past
from herocloud.providers.seam import Found


class Settled(NamedTuple):
    """An apply as the world shows it."""

    past: Past
    """The apply, with each step as done whose effect is there."""
    answered: list[Step]
    """Those steps."""
    returned: list[Step]
    """Steps that a rollback has taken back, and whose records do not say so."""

    def was_returned(self, address: Address) -> bool:
        """Return whether anything at an address was taken back in this way."""
        return any(step.address == address for step in self.returned)


def settle(past: Past) -> Settled:
    """Return the apply with what the world says of the steps of which the journal does not know how they ended."""
    wanted = {Found.DONE: _brings, Found.PARTIAL: _goes_on}
    asked = [step for step in past.plan.steps if step.id in past.came and _is_open(step, past.states)]
    returned = [step for step in asked if past.states[step.id] == "undoing" and past.came[step.id] is Found.NOT_STARTED]
    came = ((step, wanted.get(past.came[step.id])) for step in asked)
    found = [step for step, counts in came if counts is not None and counts(step)]
    done = (step.id for step in (*found, *returned) if step in found or KINDS[step.kind].moves_mark)
    settled = past._replace(states={**past.states, **dict.fromkeys(done, "done")})
    return Settled(settled, found, returned)


def under_their_records(observed: Observed | None, returned: Collection[Step], stack: StackName) -> Observed | None:
    """Return what was seen, with things that have their old names again under those that their records have."""
    names = {step.address: Address(step.before["address"]) for step in returned if KINDS[step.kind].moves_mark}
    things = observed.things.get(stack, {}) if observed is not None else {}
    strays = {record: name for record, name in names.items() if name in things}
    return stray_names.under_their_names(observed, stack, strays) if observed is not None and strays else observed


def _is_open(step: Step, states: Mapping[StepId, str]) -> bool:
    return states.get(step.id) not in ENDED


def _goes_on(step: Step) -> bool:
    """Return whether the inverse of a step goes on from half-way: what is half ended is made over what is left of it.

    What is half made is discarded, but for what only its inverse removes; half of what has data is left to those who know its tombstones.
    """
    kind = KINDS[step.kind]
    if kind.passes or kind.destroys_data or KINDS[kind.inverse].destroys_data or step.provider == STATE_PROVIDER:
        return False
    return step.after is None or (step.before is None and discard_kind(step.part) is None)


def _brings(step: Step) -> bool:
    """Return whether a step makes, places or renames something, or exchanges data."""
    kind = KINDS[step.kind]
    if kind.passes or step.provider == STATE_PROVIDER:
        return False
    exchanges = kind.destroys_data and step.before is not None and step.after is not None
    return kind.moves_mark or kind.places or exchanges or (step.before is None and step.after is not None)


def renamed_unseen(change: Change, answered: Collection[Step]) -> bool:
    """Return whether a thing has its new name while its record has the old one."""
    return change.previous_address is not None and any(step.address == change.address and KINDS[step.kind].moves_mark for step in answered)


def is_nothing(inverse: Inverted, before: Record | None, present: Record | None) -> bool:
    """Return whether there is nothing to do: a record that never was of anything is not brought back."""
    empty = present is None and (before is None or not (before.complete or before.parts))
    return not inverse.steps or (empty and all(step.provider == STATE_PROVIDER for step in inverse.steps))


def correct(inverse: Change, name: Address, present: Record | None, settled: Settled, *, unseen: bool, idle: bool) -> Change:
    """Return what takes a change back, starting from what is there and not from what its record says.

    `name` is that of the thing after the apply; `unseen` says that the record has another one, `idle` that only the record is put back.
    """
    if present is not None:
        inverse = inverse._replace(parts_before=_parts_now(present, name, settled))
    if idle:
        again = "" if inverse.after is None else ", and its record says so again"
        return inverse._replace(fields=(), note=f"{_NOTHING_LEFT if settled.was_returned(name) else _NOTHING_CAME}{again}")
    if unseen:
        action = Action.UPDATE if inverse.action is Action.MOVE else inverse.action
        fields = (*stray_names.fields(name, inverse.address), *inverse.fields)
        return inverse._replace(action=action, impact=max(inverse.impact, Impact.LIVE), fields=fields)
    return inverse


_NOTHING_CAME, _NOTHING_LEFT = "nothing of it came about", "all of it is taken back already"


def _parts_now(record: Record, name: Address, settled: Settled) -> dict[str, Part]:
    """Return the parts of what is called `name` after the apply, with what was done and taken back that its record does not say."""
    parts = dict(record.parts)
    for step, back in (*((step, False) for step in settled.answered), *((step, True) for step in settled.returned[::-1])):
        if step.address != name or KINDS[step.kind].moves_mark or step.provider == STATE_PROVIDER:
            continue
        now = step.before if back else step.after
        if KINDS[step.kind].places:
            parts[f"{step.part}{BESIDE}"] = beside(step.after) if back else None
        parts[step.part] = now
        if step.part == "machine" and (step.before is None or step.after is None):
            parts["power"] = now and "stopped"
        parts = {part: body for part, body in parts.items() if body is not None}
    return parts


def put_record_back(change: Change, settled: Settled, later: Collection[Address]) -> Inverted | None:
    """Return what makes a record what it was before the apply, where its change was begun and the world says that nothing is left of it."""
    address = change.previous_address or change.address
    past = settled.past
    begun = [step for step in past.plan.steps if step.address == change.address and _is_open(step, past.states)]
    asked = [step for step in begun if not KINDS[step.kind].passes]
    nothing = bool(asked) and all(past.came.get(step.id) is Found.NOT_STARTED for step in asked)
    before, present = past.before.get(address), past.now.get(address)
    if not nothing or present is None or present == before or change.address in later:
        return None
    parts = _parts_now(present, change.address, settled)
    step = Step(
        StepId(f"{address}/{RECORD_WRITE}"), address, RECORD_WRITE, STATE_PROVIDER, "record", parts, parts if before else None, last=True
    )
    return Inverted(address, (step,), {}, {}, ())
