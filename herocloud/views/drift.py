"""What changed outside herocloud, by itself: the view of `herocloud drift`."""

from collections.abc import Sequence

from herocloud.kits.jsons import Json
from herocloud.model.plans import Drift
from herocloud.views import phrases, plan_json, writer

FORMAT_VERSION = "1.0"


def render(stack: str, drifts: Sequence[Drift], *, color: bool = False) -> str:
    """Write the drift of a stack as text."""
    if not drifts:
        return "No drift."
    palette = writer.choose(color=color)
    wide = min(34, max(len(drift.address) for drift in drifts)) + 3
    lines = []
    previous = ""
    for address, line in phrases.drift_rows(drifts):
        shown = "" if address == previous else address
        previous = address
        lines.append(f"  {palette.yellow}{shown.ljust(wide)}{palette.off}{line}")
    number = len({drift.address for drift in drifts})
    things = "1 resource" if number == 1 else f"{number} resources"
    return "\n".join(
        [
            f"{palette.bold}Changed outside herocloud, stack {stack}:{palette.off}",
            "",
            *lines,
            "",
            f"Drift: {things}. `herocloud plan` shows what would bring back the recorded state.",
        ]
    )


def document(stack: str, drifts: Sequence[Drift]) -> dict[str, Json]:
    """Return the drift of a stack as JSON."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": stack,
        "drifted": bool(drifts),
        "resource_drift": [plan_json.drift_document(drift) for drift in drifts],
    }
