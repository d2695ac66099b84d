"""Whether `undo` would take back what a failed apply, or its rollback, has left: asked before anybody is advised to run it."""

from collections.abc import Mapping
from pathlib import Path

from herocloud.model import ids
from herocloud.model.applies import apply_id
from herocloud.model.ids import Address, StackName
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS
from herocloud.model.worlds import Observed, power_of
from herocloud.operations import reversal


def ask(folder: Path, number: int, result: Result) -> Result:
    """Return the result with what stands against an undo of it, where it failed and would be offered for that."""
    if not result.failed or result.interrupted or result.rolled_back:
        return result
    try:
        planned = reversal.plan_undo(folder, apply_id(number))
    except Exception:  # noqa: BLE001 - whatever is wrong with the advice, it does not take the place of what the apply has to say
        # Nobody knows; the undo itself says what is wrong.
        return result
    return result._replace(
        undo_refused=_obstacles(planned.plan), undo_idle=not planned.plan.changing, seen=_look(planned.observed, planned.plan.stack, result)
    )


def _look(observed: Observed | None, stack: StackName, result: Result) -> Mapping[Address, str]:
    """Return what VMs are now of which a step did not come to its end: it may have done its work, and only its answer got lost."""
    things = observed.things.get(stack, {}) if observed is not None else {}
    asked = [outcome.address for outcome in result.outcomes if outcome.unclear and KINDS[outcome.kind].power]
    return {address: power_of(things[address].parts if address in things else {}) for address in asked}


def _obstacles(plan: Plan) -> str:
    found: dict[str, list[str]] = {}
    for diagnostic in plan.diagnostics:
        if diagnostic.is_error:
            found.setdefault(diagnostic.summary, []).extend([diagnostic.address] if diagnostic.address else [])
    for change in plan.changing:
        if change.protected:
            found.setdefault("A protected resource would be deleted or replaced", []).append(change.address)
    return "; ".join(f"{title[0].lower()}{title[1:]}{_whose(addresses)}" for title, addresses in found.items())


def _whose(addresses: list[str]) -> str:
    folded = ids.fold_addresses(addresses)
    more = f" and {len(folded) - _NAMED} more" if len(folded) > _NAMED else ""
    return f": {', '.join(f'`{one}`' for one in folded[:_NAMED])}{more}" if folded else ""


_NAMED = 3
