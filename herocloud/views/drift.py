"""What an apply left half done and what changed outside herocloud, by itself: the view of `herocloud drift`."""

from collections.abc import Iterable, Sequence

from herocloud.kits.jsons import Json
from herocloud.model.applies import Pending
from herocloud.model.ids import Address
from herocloud.model.plans import Drift
from herocloud.model.words import Cause
from herocloud.views import phrases, plan_json, remainders, writer

FORMAT_VERSION = "1.0"


def render(stack: str, drifts: Sequence[Drift], unfinished: Sequence[Pending] = (), *, color: bool = False) -> str:
    """Write the drift of a stack as text, below the applies that left it half done."""
    waiting = [
        f"{pending.id} of stack {stack} (`{pending.operation}`) is not finished: `herocloud resume {pending.id}` goes on, "
        f"`herocloud resume {pending.id} --rollback` takes it back."
        for pending in unfinished
    ]
    wide = min(34, max((len(drift.address) for drift in drifts), default=0)) + 3
    groups = [_group(f"{header}, stack {stack}:", rows, wide, color=color) for header, rows in phrases.drift_groups(drifts)]
    return "\n\n".join([*waiting, *groups, *([_count(drifts)] if drifts else [])]) or "No drift."


def _group(lead: str, rows: Iterable[tuple[Address, str]], wide: int, *, color: bool) -> str:
    palette = writer.choose(color=color)
    lines = []
    previous = ""
    for address, line in rows:
        shown = "" if address == previous else address
        previous = address
        lines.append(f"  {palette.yellow}{shown.ljust(wide)}{palette.off}{line}")
    return "\n".join([f"{palette.bold}{lead}{palette.off}", "", *lines])


def _count(drifts: Sequence[Drift]) -> str:
    number = len({drift.address for drift in drifts})
    things = "1 resource" if number == 1 else f"{number} resources"
    causes = {drift.cause for drift in drifts}
    ways = ["complete or remove what is left"] if any(drift.left_by_apply for drift in drifts) else []
    ways += ["bring back the recorded state"] if Cause.OUTSIDE in causes else []
    says = [f"`herocloud plan` shows what would {', and '.join(ways)}."] if ways else []
    says += ["`herocloud state adopt` records what has no record, `herocloud state gc` removes it."] if Cause.NO_RECORD in causes else []
    return " ".join([f"Drift: {things}.", *says])


def document(stack: str, drifts: Sequence[Drift], unfinished: Sequence[Pending] = ()) -> dict[str, Json]:
    """Return the drift of a stack as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "drifted": bool(drifts or unfinished),
        "unfinished": [remainders.pending_document(pending) for pending in unfinished],
        "resource_drift": [{**plan_json.drift_document(drift), "left_by_apply": drift.left_by_apply} for drift in drifts],
    }
