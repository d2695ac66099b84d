"""What an apply began to make and did not finish, and what becomes of it.

A part that is still wanted is made over what is there of it. One that nobody wants any more is removed by a step that leaves no
tombstone, because nobody has used it; without that it would stay, hold on to what it was to be made from, and fill the host.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Part
from herocloud.model.ids import StepId
from herocloud.model.plans import HALF_MADE, Drift, FieldDiff, Plan
from herocloud.model.steps import BESIDE, NOTHING, Claim, discard_kind
from herocloud.model.words import Cause
from herocloud.model.worlds import Observed, Record, Recorded, Thing

if TYPE_CHECKING:
    from herocloud.plan.step_sequence import StepSequence

Parts = Mapping[str, Part]


def parts_of(thing: Thing | None) -> Parts:
    """Return the parts that are half made and that a step can remove."""
    if thing is None or not thing.halves:
        return {}
    return {part: body for part, body in thing.halves.items() if discard_kind(part) and part not in thing.parts}


def lacking_part(thing: Thing) -> str:
    """Return the part without which a thing is not what its address says, where it is not there or only half made."""
    part = "machine" if thing.address.startswith("vm.") else ""
    halves = [half for half in parts_of(thing) if not half.endswith(BESIDE)]
    return part if part and part not in thing.parts else min(halves, default="")


def discard(
    seq: "StepSequence", halves: Parts, part: str, needs: Iterable[StepId | None] = (), provider: str | None = None
) -> StepId | None:
    """Remove one part that is half made, where it is; returns the step."""
    kind = discard_kind(part)
    if part not in halves or kind is None:
        return None
    gives = Claim(disk=_bytes(part, halves[part])) if part.endswith(BESIDE) else NOTHING
    return seq.add(kind, part, halves[part], None, needs, gives=gives, provider=provider)


def cards(halves: Parts) -> list[str]:
    """Name the cards of a VM that are half made."""
    return sorted(part for part in halves if part.startswith("nic."))


def begun(plan: Plan, states: Mapping[StepId, str], observed: Observed | None) -> dict[StepId, Part]:
    """Return what each step of a plan that has run began to make and did not finish, as it was seen."""
    things = observed.things.get(plan.stack, {}) if observed is not None else {}
    begun: dict[StepId, Part] = {}
    for step in plan.steps:
        if step.before is None and step.after is not None and states.get(step.id) not in (None, "done", "skipped"):
            halves = parts_of(things.get(step.address))
            if step.part in halves:
                begun[step.id] = halves[step.part]
    return begun


def bytes_beside(halves: Parts) -> int:
    """Return what is filled by what is half made beside a part."""
    return sum(_bytes(part, body) for part, body in halves.items() if part.endswith(BESIDE))


def bytes_in_place(halves: Parts) -> int:
    """Return what is filled by what is half made in its own place."""
    return sum(_bytes(part, body) for part, body in halves.items() if not part.endswith(BESIDE))


def used(recorded: Recorded, observed: Observed | None) -> Iterable[Claim]:
    """Yield what the halves of disks and volumes may fill beyond what records are counted for: copying may have come far."""
    for stack, things in observed.things.items() if observed is not None else ():
        for address, thing in things.items():
            if thing.halves:
                known = address in recorded.records.get(stack, {})
                sizes = (_bytes(part, body) for part, body in parts_of(thing).items() if part.endswith(BESIDE) or not known)
                yield Claim(disk=sum(sizes))


def _bytes(part: str, body: Part) -> int:
    size = body.get("size") if isinstance(body, Mapping) and part.removesuffix(BESIDE) in ("disk", "volume") else 0
    return size if isinstance(size, int) else 0


def fields(halves: Parts, target: Parts) -> list[FieldDiff]:
    """Return what of these the target does not have, for a change whose record says nothing of it."""
    why = "an apply that did not end well left it"
    return [FieldDiff(part, HALF_MADE, None, drift=True, why=why) for part in sorted(halves) if part not in target]


def drift(record: Record, thing: Thing | None, cause: Cause = Cause.FAILED_APPLY) -> list[Drift]:
    """Return what is half made of a record: where it is complete, beside the parts that it says are whole."""
    parts = sorted(part for part in parts_of(thing) if not record.complete or part not in record.parts)
    return [Drift(record.address, record.kind, part, None, HALF_MADE, cause) for part in parts]


def say_lacking(record: Record, parts: Parts, *, complete: bool) -> str:
    """Say what something lacks of what its record asks for, once it is as it was with these parts; nothing where it is `complete`."""
    if record.kind == "vm" and "machine" not in parts:
        return "it is half made, as it was: `herocloud apply` makes the rest"
    if record.kind == "vm" and parts.get("power") == "stopped" != record.spec.get("state", "running"):
        return "it stays down, as it was: `herocloud apply` starts it"
    return "" if complete else "it is as an earlier apply left it, not finished: `herocloud apply` does the rest"
