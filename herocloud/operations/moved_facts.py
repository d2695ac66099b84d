"""What moved between two plans for the same request, in one line: a person who is asked again need not look for it."""

from collections.abc import Iterator

from herocloud.apply import staleness
from herocloud.apply.staleness import Changed
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.plans import Plan
from herocloud.model.words import Action, Severity
from herocloud.operations import admission
from herocloud.operations.stack_plans import Planned
from herocloud.views import phrases, values

_MOST = 4
"""How many reasons are named, and how many fields of each."""


def explain(old: Planned, new: Planned) -> Diagnostic:
    """Say why a plan that was made again is another one than before."""
    reasons = list(dict.fromkeys([*_of_facts(old, new)])) or list(_of_changes(old.plan, new.plan))
    more = f"; and {len(reasons) - _MOST} more" if len(reasons) > _MOST else ""
    detail = "; ".join(reasons[:_MOST]) + more or "the state or the world changed meanwhile"
    return Diagnostic("planned-again", "This is another plan than the one before", detail, severity=Severity.NOTE)


def in_one_line(found: Diagnostic) -> str:
    """Write the reason for a person who has the plan before on the screen."""
    return f"this is another plan than the one before: {found.detail}"


def _of_facts(old: Planned, new: Planned) -> Iterator[str]:
    now = admission.facts_of([fact.key for fact in old.plan.facts], old.plan, new.recorded, new.observed, new.hosting)
    changed = staleness.changed_facts(old.plan.facts, now)
    recorded = {move.planned.key.partition(":")[2] for move in changed if move.planned.key.startswith("record:")}
    for move in changed:
        kind, _, rest = move.planned.key.partition(":")
        if kind == "slice":
            yield f"slice `{rest}` {_holder(move, 'in use by')}{_instead(rest, old.plan, new.plan)}"
        elif kind == "vm-sid":
            yield f"the sid `{rest}` {_holder(move, 'of')}"
        elif kind == "record":
            yield _of_record(move, Address(rest.partition("/")[2]), old, new)
        elif kind == "observed":
            if rest not in recorded:
                yield _of_thing(move, Address(rest.partition("/")[2]), old, new)
        elif kind in ("capacity", "data"):
            yield f"{move.present.says} now"
        else:
            yield move.present.says


def _holder(changed: Changed, words: str) -> str:
    stack, _, address = changed.present.digest.partition("/")
    return f"is {words} `{address}` of stack `{stack}` now" if address else "is not to be had any more"


def _instead(sid: str, old: Plan, new: Plan) -> str:
    """Name the slices that a VM gets in place of one that is taken."""
    taker = next((change for change in old.changing if sid in ((change.after or {}).get("slices") or ())), None)
    now = next((change for change in new.changing if taker is not None and change.address == taker.address), None)
    if taker is None or now is None:
        return ""
    others = [
        slice_sid for slice_sid in (now.after or {}).get("slices") or () if slice_sid not in ((taker.after or {}).get("slices") or ())
    ]
    return f", so `{now.address}` gets {', '.join(f'`{slice_sid}`' for slice_sid in others)}" if others else ""


def _of_record(changed: Changed, address: Address, old: Planned, new: Planned) -> str:
    before, after = (planned.recorded.records.get(old.plan.stack, {}).get(address) for planned in (old, new))
    if after is None:
        return f"`{address}` is not recorded any more"
    if before is None:
        return f"`{address}` is recorded now"
    pairs = _pairs(dict(before.spec), dict(after.spec)) or _pairs(dict(before.parts), dict(after.parts))
    return f"`{address}` changed: {pairs}" if pairs else f"`{address}`: {changed.present.says}"


def _of_thing(changed: Changed, address: Address, old: Planned, new: Planned) -> str:
    before, after = (
        {}
        if planned.observed is None or (thing := planned.observed.things.get(old.plan.stack, {}).get(address)) is None
        else dict(thing.parts)
        for planned in (old, new)
    )
    if not after:
        return f"`{address}` is gone from the host"
    if not before:
        return f"`{address}` is on the host now"
    gone = sorted(part for part in before if part not in after)
    if gone:
        return f"{', '.join(gone)} of `{address}` {'is' if len(gone) == 1 else 'are'} gone from the host"
    return f"`{address}` changed on the host: {_pairs(before, after) or changed.present.says}"


def _pairs(before: Json, after: Json) -> str:
    pairs = [f"{phrases.field_name(path)} {values.show_pair(path, one, other)}" for path, one, other in phrases.differing(before, after)]
    return ", ".join(pairs[:_MOST]) + (f" and {len(pairs) - _MOST} more fields" if len(pairs) > _MOST else "")


def _of_changes(old: Plan, new: Plan) -> Iterator[str]:
    """Name what is planned differently where no fact of the old plan says why: it was not about that."""
    before, after = ({change.address: change for change in plan.changes} for plan in (old, new))
    for address in [*after, *(address for address in before if address not in after)]:
        was, now = (changes[address].action if address in changes else Action.NO_OP for changes in (before, after))
        if was is not now:
            yield f"`{address}` is {_planned(now)} now, where it was {_planned(was)}"
        elif address in before and before[address].after != after[address].after:
            yield f"`{address}` is planned with {_pairs(before[address].after or {}, after[address].after or {})}"


def _planned(action: Action) -> str:
    return "left alone" if action is Action.NO_OP else f"planned as {action.value}"
