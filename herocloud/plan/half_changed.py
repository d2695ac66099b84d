"""What an apply began to change in place and did not finish, and how an undo takes it back.

A step that failed may have had its effect all the same, or a part of it: the part is somewhere between `before` and `after`. The step that
leads back is the one that leads there with its ends exchanged, and does no harm where nothing was changed yet.
"""

from collections.abc import Collection, Iterator, Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Part
from herocloud.model.applies import ENDED
from herocloud.model.ids import StepId
from herocloud.model.plans import HALF_MADE, NOT_THERE, WHOLE_VM, Change, Drift, Plan
from herocloud.model.steps import KINDS, STATE_PROVIDER, Step
from herocloud.model.words import Cause
from herocloud.model.worlds import Observed, Record, Thing

_NOTHING_MADE = "no value of it was changed, and its record says so again"


def begun(plan: Plan, states: Mapping[StepId, str], observed: Observed | None) -> dict[StepId, Step]:
    """Return the steps of a plan that has run which began to change a part and failed, each as if it had led to what is there now."""
    things = observed.things.get(plan.stack, {}) if observed is not None else {}
    moved = {change.address: change.previous_address for change in plan.changing}
    found: dict[StepId, Step] = {}
    for step in plan.steps:
        if states.get(step.id) in ENDED or not _is_change(step):
            continue
        thing = things.get(step.address) or things.get(moved.get(step.address) or step.address)
        seen = thing.parts.get(step.part) if thing is not None else None
        if seen is not None:
            found[step.id] = step._replace(after=seen)
    # A machine that was to be switched and was not has nothing to be taken back, where another step completes the record again.
    others = {step.address for step in plan.steps if states.get(step.id) == "done" or (step.id in found and step.part != "power")}
    return {name: step for name, step in found.items() if step.part != "power" or step.address not in others or step.after != step.before}


def _is_change(step: Step) -> bool:
    """Return whether a step changes what stays there; the tombstone of data that is exchanged says what becomes of it."""
    kind = KINDS[step.kind]
    passing = kind.passes or kind.moves_mark or kind.destroys_data or kind.places or step.provider == STATE_PROVIDER
    return step.before is not None and step.after is not None and not passing


def without_unmade(inverse: Change, steps: Collection[Step], changed: Mapping[StepId, Step]) -> Change:
    """Leave out the fields of what takes these steps back where none of them came about; `changed` are those that failed."""
    idle = [step for step in steps if step.id in changed and jsons.dumps(step.before) == jsons.dumps(step.after)]
    others = [step for step in steps if step not in idle]
    if not idle or any(step.part != "power" for step in others):
        return inverse
    return inverse._replace(fields=(), note=inverse.note if others else _NOTHING_MADE)


def drift(record: Record, thing: Thing | None, cause: Cause) -> list[Drift]:
    """Return what is not as it was of something whose change did not end well; where all of it is, that it is between two states."""
    seen = thing.parts if thing is not None else {}
    if not record.parts and not seen:
        return [Drift(record.address, record.kind, WHOLE_VM, None, NOT_THERE, cause)]
    found = [
        Drift(record.address, record.kind, name, before, after, cause)
        for part in sorted({*record.parts, *seen} - set(thing.halves if thing is not None else ()))
        for name, before, after in _compare(part, record.parts.get(part), seen.get(part))
    ]
    return found or [Drift(record.address, record.kind, WHOLE_VM, None, HALF_MADE, cause)]


def _compare(part: str, before: Part, after: Part) -> Iterator[tuple[str, Part, Part]]:
    if isinstance(before, dict) and isinstance(after, dict):
        # A key that is missing now was a flaw, which somebody has mended since.
        yield from ((f"{part}.{key}", before.get(key), after[key]) for key in sorted(after) if before.get(key) != after[key])
    elif before != after:
        yield part, before, after
