"""Events and results as JSON values, for one process that shows what another one runs."""

from typing import Any

from herocloud.kits.jsons import Json
from herocloud.model.ids import PlanId, StepId
from herocloud.model.outcomes import Event, Outcome, Result
from herocloud.model.words import Status


def encode_event(event: Event) -> Json:
    """Return an event as a list; all that it holds is JSON."""
    return list(event)


def decode_event(data: Json) -> Event:
    """Return the event that was encoded."""
    return Event(*data)


def encode_result(result: Result) -> dict[str, Json]:
    """Return a result with its outcomes."""
    outcomes = [[*outcome._replace(status=outcome.status.value)] for outcome in result.outcomes]  # type: ignore[arg-type]
    return {
        **result._asdict(),
        "outcomes": outcomes,
        "notes": list(result.notes),
        "earlier": sorted(result.earlier),
        "seen": dict(result.seen),
    }


def decode_result(data: dict[str, Any]) -> Result:
    """Return the result that was encoded."""
    fields = dict(data)
    outcomes = tuple(Outcome(*row)._replace(status=Status(row[3])) for row in fields.pop("outcomes"))
    earlier = frozenset(StepId(step) for step in fields.pop("earlier"))
    return Result(PlanId(fields.pop("plan")), outcomes, fields.pop("seconds"), notes=tuple(fields.pop("notes")), earlier=earlier, **fields)
