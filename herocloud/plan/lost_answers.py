"""Steps that failed and had their whole effect all the same: the answer got lost, and only the world tells.

An undo of such an apply takes back what was made, put in its place or renamed as if the journal said that it was done, and so it does what
is half ended. What is changed in place or removed follows from the parts that are there (`half_changed`, `half_removed`). Where nothing at
all has come about, the record alone is left to be put back.
"""

from collections.abc import Collection, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.applies import ENDED
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Change
from herocloud.model.steps import BESIDE, KINDS, RECORD_WRITE, STATE_PROVIDER, Step, discard_kind
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import Record
from herocloud.plan import stray_names
from herocloud.plan.inverses import Inverted
from herocloud.plan.past_apply import Past
from herocloud.providers.seam import Found


def settle(past: Past) -> tuple[Past, list[Step]]:
    """Return the apply with each step as done whose effect is there, and those steps."""
    wanted = {Found.DONE: _brings, Found.PARTIAL: _goes_on}
    came = ((step, wanted.get(past.came[step.id])) for step in past.plan.steps if step.id in past.came and _is_open(step, past.states))
    found = [step for step, counts in came if counts is not None and counts(step)]
    return past._replace(states={**past.states, **dict.fromkeys((step.id for step in found), "done")}), found


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


def correct(inverse: Change, name: Address, present: Record | None, answered: Collection[Step], *, unseen: bool, idle: bool) -> Change:
    """Return what takes a change back, starting from what its steps have `answered` and not from what its record says.

    `name` is that of the thing after the apply; `unseen` says that the record has another one, `idle` that only the record is put back.
    """
    if present is not None:
        inverse = inverse._replace(parts_before=_parts_now(present, [step for step in answered if step.address == name]))
    if idle:
        again = "" if inverse.after is None else ", and its record says so again"
        return inverse._replace(fields=(), note=f"nothing of it came about{again}")
    if unseen:
        action = Action.UPDATE if inverse.action is Action.MOVE else inverse.action
        fields = (*stray_names.fields(name, inverse.address), *inverse.fields)
        return inverse._replace(action=action, impact=max(inverse.impact, Impact.LIVE), fields=fields)
    return inverse


def _parts_now(record: Record, answered: Collection[Step]) -> dict[str, Part]:
    """Return the parts of a record with what these steps have made, placed and ended, which it does not say."""
    parts = dict(record.parts)
    for step in answered:
        if KINDS[step.kind].moves_mark:
            continue
        if KINDS[step.kind].places:
            parts.pop(f"{step.part}{BESIDE}", None)
        touched = {step.part: step.after, **({"power": step.after and "stopped"} if step.part == "machine" else {})}
        parts = {part: body for part, body in {**parts, **touched}.items() if body is not None}
    return parts


def put_record_back(change: Change, past: Past, later: Collection[Address]) -> Inverted | None:
    """Return what makes a record what it was before the apply, where its change was begun and the world says that nothing came of it."""
    address = change.previous_address or change.address
    begun = [step for step in past.plan.steps if step.address == change.address and _is_open(step, past.states)]
    asked = [step for step in begun if not KINDS[step.kind].passes]
    nothing = bool(asked) and all(past.came.get(step.id) is Found.NOT_STARTED for step in asked)
    before, present = past.before.get(address), past.now.get(address)
    if not nothing or present is None or present == before or change.address in later:
        return None
    parts = dict(present.parts)
    step = Step(
        StepId(f"{address}/{RECORD_WRITE}"), address, RECORD_WRITE, STATE_PROVIDER, "record", parts, parts if before else None, last=True
    )
    return Inverted(address, (step,), {}, {}, ())
