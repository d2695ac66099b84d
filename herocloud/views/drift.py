"""What an apply left half done and what changed outside herocloud, by itself: the view of `herocloud drift`."""

from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.model.applies import Pending
from herocloud.model.plans import Drift
from herocloud.views import phrases, plan_json, remainders, writer

FORMAT_VERSION = "1.0"


def render(stack: str, drifts: Sequence[Drift], unfinished: Sequence[Pending] = (), *, color: bool = False) -> str:
    """Write the drift of a stack as text, below the applies that left it half done."""
    waiting = [
        f"{pending.id} of stack {stack} (`{pending.operation}`) is not finished: `herocloud resume {pending.id}` goes on, "
        f"`herocloud resume {pending.id} --rollback` takes it back."
        for pending in unfinished
    ]
    left = [drift for drift in drifts if drift.left_by_apply]
    outside = [drift for drift in drifts if not drift.left_by_apply]
    wide = min(34, max((len(drift.address) for drift in drifts), default=0)) + 3
    groups = [
        _group(f"{lead}, stack {stack}:", group, wide, color=color)
        for lead, group in (("Left by an apply that did not succeed", left), ("Changed outside herocloud", outside))
        if group
    ]
    return "\n\n".join([*waiting, *groups, *([_count(drifts, left, outside)] if drifts else [])]) or "No drift."


def _group(lead: str, drifts: Sequence[Drift], wide: int, *, color: bool) -> str:
    palette = writer.choose(color=color)
    lines = []
    previous = ""
    for address, line in phrases.drift_rows(drifts):
        shown = "" if address == previous else address
        previous = address
        lines.append(f"  {palette.yellow}{shown.ljust(wide)}{palette.off}{line}")
    return "\n".join([f"{palette.bold}{lead}{palette.off}", "", *lines])


def _count(drifts: Sequence[Drift], left: Sequence[Drift], outside: Sequence[Drift]) -> str:
    number = len({drift.address for drift in drifts})
    things = "1 resource" if number == 1 else f"{number} resources"
    ways = ["complete or remove what is left"] if left else []
    ways += ["bring back the recorded state"] if outside else []
    return f"Drift: {things}. `herocloud plan` shows what would {', and '.join(ways)}."


def document(stack: str, drifts: Sequence[Drift], unfinished: Sequence[Pending] = ()) -> dict[str, Json]:
    """Return the drift of a stack as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "drifted": bool(drifts),
        "unfinished": [remainders.pending_document(pending) for pending in unfinished],
        "resource_drift": [{**plan_json.drift_document(drift), "left_by_apply": drift.left_by_apply} for drift in drifts],
    }
