"""The event stream of `apply --json`: one JSON document a line, each complete by itself.

The first line names the format; then come the planned changes, the proof, diagnostics, what happens to each step, and a summary.
Every line has `@level`, `@message`, `@timestamp` and `seq`. Readers must ignore types they do not know; `retry` and `note` are
there beside the types of the contract. The same stream goes to stdout, to `--json-into`, or to both.
"""

import json
import time
from collections.abc import Callable, Sequence

import herocloud
from herocloud.apply.inspection import Rest
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Change, Plan
from herocloud.model.words import IMPACT_WORDS, WORDS_OF_TERRAFORM, Severity
from herocloud.views import diagnostic_text, phrases, plan_json, remainders, results, values
from herocloud.views.writer import Outlet

FORMAT = "1.0"

_LEVELS = {"apply_errored": "error", "apply_skipped": "warn", "retry": "warn"}
_ENDINGS = {
    "apply_start": "started",
    "apply_complete": "done",
    "apply_errored": "failed",
    "apply_skipped": "not started",
    "retry": "is tried again",
}
_ENDINGS_BACK = {
    "apply_start": "is being taken back",
    "apply_progress": "is still being taken back",
    "apply_complete": "taken back",
    "apply_errored": "could not be taken back",
    "apply_skipped": "not taken back",
    "retry": "is tried again to be taken back",
}


class Stream:
    """Writes the lines; `tell` is what the executor calls."""

    def __init__(self, *outlets: Outlet, clock: Callable[[], float] = time.time) -> None:
        """Write every line to all of these; `clock` gives the time of day. A line has one stamp, wherever it is read."""
        self._outlets = outlets
        self._clock = clock
        self._next = 0

    def version(self) -> None:
        """Write the first line."""
        self._line("version", "info", f"herocloud {herocloud.__version__}", {"format": FORMAT, "herocloud": herocloud.__version__})

    def plan(self, plan: Plan) -> None:
        """Write what is planned: the changes, the proof and the diagnostics."""
        for change in phrases.arrange(plan):
            self._line("planned_change", "info", f"{change.address}: {phrases.action_words(change)}", {"change": planned(change)})
        self._line("capacity", "info", "capacity before, at its peak and after", {"capacity": plan_json.capacity_document(plan.capacity)})
        self.diagnose(plan.diagnostics)

    def rest(self, rest: Rest) -> None:
        """Write what is left of an apply that did not end."""
        what = "taken back" if rest.rollback else "finished"
        says = f"{rest.pending.id} of stack {rest.pending.stack} is to be {what}"
        self._line("unfinished", "warn", says, {"unfinished": remainders.document(rest)})

    def diagnose(self, found: Sequence[Diagnostic]) -> None:
        """Write diagnostics."""
        for diagnostic in found:
            level = {Severity.ERROR: "error", Severity.WARNING: "warn"}.get(diagnostic.severity, "info")
            self._line(
                "diagnostic",
                level,
                f"{diagnostic.severity.value}: {diagnostic.summary}",
                {"diagnostic": diagnostic_text.document(diagnostic)},
            )

    def tell(self, event: Event) -> None:
        """Write one event; the executor's own `summary` is left to `summarise`, which knows the plan."""
        if event.type == "summary":
            return
        self._line(event.type, _LEVELS.get(event.type, "info"), message(event), event_document(event))

    def summarise(self, plan: Plan, result: Result) -> None:
        """Write the last line."""
        level = "error" if result.failed else "info"
        self._line("summary", level, results.headline(plan, result), results.document(plan, result))

    def _line(self, kind: str, level: str, text: str, body: dict[str, Json]) -> None:
        document = {"type": kind, "@level": level, "@message": text, "@timestamp": values.stamp(self._clock()), "seq": self._next, **body}
        self._next += 1
        # Not the canonical spelling: `type` comes first, where people look for it when they read the raw lines.
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"
        for outlet in self._outlets:
            outlet.write(text)


def planned(change: Change) -> dict[str, Json]:
    """Return what a `planned_change` line says of a change; its fields are in the plan document."""
    return {
        "address": change.address,
        "previous_address": change.previous_address,
        "type": change.kind,
        "provider": change.provider,
        "actions": WORDS_OF_TERRAFORM[change.action],
        "action": change.action.value,
        "action_reason": change.reason.value,
        "impact": IMPACT_WORDS[change.impact],
        "protected": change.protected,
        "downtime_seconds": change.downtime,
    }


def event_document(event: Event) -> dict[str, Json]:
    """Return the body of an event's line."""
    body: dict[str, Json] = {"address": event.address, "step": event.step, "kind": event.kind, "elapsed_seconds": round(event.seconds, 3)}
    if event.step is not None:
        # A count of what was made must not include what a rollback took back.
        body["direction"] = "back" if event.back else "forward"
    if event.type == "apply_errored":
        body["error"] = event.detail
    elif event.type == "apply_skipped":
        body["because"] = event.detail
    else:
        body["detail"] = event.detail
    if event.apply:
        # One command may run several: what it finishes or closes first, and its own.
        body["apply_id"] = event.apply
    if event.data is not None:
        body["data"] = event.data
    return body


def message(event: Event) -> str:
    """Say an event in words."""
    if event.type == "note" or not event.address:
        return event.detail
    endings = _ENDINGS_BACK if event.back else _ENDINGS
    text = f"{event.address}: {event.kind or 'step'} {endings.get(event.type, 'goes on')}"
    if event.type in ("apply_complete", "apply_progress", "apply_errored"):
        text += f" after {event.seconds:.1f} s"
    return f"{text}: {event.detail}" if event.detail else text


def fan_out(*listeners: Callable[[Event], None]) -> Callable[[Event], None]:
    """Tell several listeners of each event: the progress on stderr and the stream into a file, say."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
