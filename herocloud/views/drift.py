"""What changed outside herocloud, by itself: the view of `herocloud drift`."""

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
    return "\n\n".join([*waiting, *([_render(stack, drifts, color=color)] if drifts else [])]) or "No drift."


def _render(stack: str, drifts: Sequence[Drift], *, color: bool) -> str:
    palette = writer.choose(color=color)
    wide = min(34, max(len(drift.address) for drift in drifts)) + 3
    lines = []
    previous = ""
    for address, line in phrases.drift_rows(drifts):
        shown = "" if address == previous else address
        previous = address
        lines.append(f"  {palette.yellow}{shown.ljust(wide)}{palette.off}{line}")
    number = len({drift.address for drift in drifts})
    outside = any(drift.part != "state" for drift in drifts)
    lead = "Changed outside herocloud" if outside else "Left by an apply that did not succeed"
    things = "1 resource" if number == 1 else f"{number} resources"
    return "\n".join(
        [
            f"{palette.bold}{lead}, stack {stack}:{palette.off}",
            "",
            *lines,
            "",
            f"Drift: {things}. `herocloud plan` shows what would bring back the recorded state.",
        ]
    )


def document(stack: str, drifts: Sequence[Drift], unfinished: Sequence[Pending] = ()) -> dict[str, Json]:
    """Return the drift of a stack as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "drifted": bool(drifts),
        "unfinished": [remainders.pending_document(pending) for pending in unfinished],
        "resource_drift": [plan_json.drift_document(drift) for drift in drifts],
    }
