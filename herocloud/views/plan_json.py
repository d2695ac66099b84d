"""The plan as a JSON document, with Terraform's names where it has one, so that jq, OPA and conftest rules carry over.

`format_version` is MAJOR.MINOR: a minor version adds fields, a major one may break readers. The document holds no time and no
environment: the same inputs give the same bytes. Parts of steps are left out, they are the executor's business and can be large.
"""

from collections.abc import Sequence

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import split_address
from herocloud.model.plans import Capacity, Change, Drift, Plan
from herocloud.model.words import IMPACT_WORDS, WORDS_OF_TERRAFORM, Action, Impact
from herocloud.views import diagnostic_text, phrases, remainders, values

FORMAT_VERSION = "1.0"


def plan_document(plan: Plan) -> dict[str, Json]:
    """Return the document; `json.dumps` of it with sorted keys is byte-identical for equal plans."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": plan.stack,
        "plan_id": plan.id,
        "operation": plan.operation,
        "host": {"name": plan.host, "simulated": plan.simulated, "slices": plan.slices_total, "slices_free": plan.slices_free},
        "applyable": plan.applyable,
        "complete": plan.complete,
        "errored": plan.errored,
        "blocked": plan.blocked,
        "purge": plan.purge,
        "summary": summary(plan),
        "resource_changes": [change_document(change) for change in plan.changes],
        "resource_drift": [drift_document(drift) for drift in plan.drift],
        "output_changes": output_changes(plan),
        "steps": [
            {
                "id": step.id,
                "address": step.address,
                "kind": step.kind,
                "provider": step.provider,
                "needs": list(step.needs),
                "facts": list(step.facts),
                "expected_seconds": step.seconds,
            }
            for step in plan.steps
        ],
        "capacity": capacity_document(plan.capacity),
        "facts": [{"key": fact.key, "digest": fact.digest, "says": fact.says} for fact in plan.facts],
        "unfinished": [remainders.pending_document(pending) for pending in plan.unfinished],
        "diagnostics": [diagnostic_text.document(diagnostic) for diagnostic in plan.diagnostics],
        "expected_seconds": plan.critical_seconds,
    }


def refusal_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Json]:
    """Return the document of a plan that could not be made: the same keys, with nothing in them but the findings."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": None,
        "plan_id": None,
        "applyable": False,
        "complete": False,
        "errored": True,
        "blocked": False,
        "resource_changes": [],
        "resource_drift": [],
        "output_changes": {},
        "steps": [],
        "capacity": None,
        "facts": [],
        "unfinished": [],
        "diagnostics": [diagnostic_text.document(diagnostic) for diagnostic in diagnostics],
    }


def render(document: Json) -> str:
    """Write a document as text: one line per key, and one per entry of a list.

    That reads and diffs well, and takes a sixth of the time of full indentation, for which Python has no fast encoder.
    """
    rows = []
    for key in sorted(document):
        value = document[key]
        if isinstance(value, list) and value:
            inner = ",\n".join(f"  {jsons.dumps(item)}" for item in value)
            rows.append(f"{jsons.dumps(key)}: [\n{inner}\n ]")
        else:
            rows.append(f"{jsons.dumps(key)}: {jsons.dumps(value)}")
    return "{\n " + ",\n ".join(rows) + "\n}"


def render_line(document: Json) -> str:
    """Write a document on one line, the canonical way."""
    return jsons.dumps(document)


def summary(plan: Plan) -> dict[str, Json]:
    """Return the counts by what happens."""
    counts = phrases.tally_actions(plan)
    return {
        "add": counts[Action.CREATE],
        "change": counts[Action.UPDATE],
        "stop": counts[Action.STOP],
        "reboot": counts[Action.REBOOT],
        "replace": counts[Action.REPLACE],
        "destroy": counts[Action.DELETE],
        "adopt": counts[Action.ADOPT],
        "move": counts[Action.MOVE],
        "forget": counts[Action.FORGET],
    }


def change_document(change: Change) -> dict[str, Json]:
    """Return one entry of `resource_changes`."""
    parts = split_address(change.address)
    hidden = [field.path for field in change.fields if field.sensitive]
    before, before_mask = values.mask(change.before, hidden)
    after, after_mask = values.mask(change.after, hidden)
    return {
        "address": change.address,
        "previous_address": change.previous_address,
        "type": change.kind,
        "name": parts.name if parts else change.address,
        "index": parts.number if parts else None,
        "provider": change.provider,
        "sid": change.sid,
        "change": {
            "actions": WORDS_OF_TERRAFORM[change.action],
            "before": before,
            "after": after,
            "before_sensitive": before_mask,
            "after_sensitive": after_mask,
            "replace_paths": [path_steps(field.path) for field in change.fields if field.impact >= Impact.REPLACE],
        },
        "action": change.action.value,
        "action_reason": change.reason.value,
        "impact": IMPACT_WORDS[change.impact],
        "protected": change.protected,
        "protect": change.protect,
        "needs": list(change.needs),
        "downtime_seconds": change.downtime,
        "note": change.note,
        "fields": [
            {
                "path": field.path,
                "before": values.hide_value(field.path, field.before, sensitive=field.sensitive),
                "after": values.hide_value(field.path, field.after, sensitive=field.sensitive),
                "impact": IMPACT_WORDS[field.impact],
                "why": field.why,
                "drift": field.drift,
            }
            for field in change.fields
        ],
    }


def drift_document(drift: Drift) -> dict[str, Json]:
    """Return one entry of `resource_drift`: a part of the address, recorded against seen."""
    parts = split_address(drift.address)
    return {
        "address": drift.address,
        "type": drift.kind,
        "name": parts.name if parts else drift.address,
        "index": parts.number if parts else None,
        "part": drift.part,
        "change": {
            "actions": ["delete"] if drift.after is None else ["update"],
            "before": drift.before,
            "after": drift.after,
        },
        "cause": drift.cause.value,
    }


def capacity_document(capacity: Capacity) -> dict[str, Json]:
    """Return every resource before, at its peak, after, and what the host has."""
    return {
        name: {"before": level.before, "peak": level.peak, "after": level.after, "limit": level.limit}
        for name, level in zip(Capacity._fields, capacity, strict=True)
    }


def output_changes(plan: Plan) -> dict[str, Json]:
    """Return what happens to each output, in Terraform's words."""
    outputs: dict[str, Json] = {}
    for name in sorted({*plan.outputs, *plan.outputs_before}):
        before, after = plan.outputs_before.get(name), plan.outputs.get(name)
        if before == after:
            actions = ["no-op"]
        elif before is None:
            actions = ["create"]
        else:
            actions = ["delete"] if after is None else ["update"]
        outputs[name] = {"actions": actions, "before": before, "after": after}
    return outputs


def path_steps(path: str) -> list[str | int]:
    """Take a dotted path apart: `networks[0].rate` is `["networks", 0, "rate"]`."""
    steps: list[str | int] = []
    for piece in path.split("."):
        name, *numbers = piece.split("[")
        steps.append(name)
        for number in numbers:
            inner = number.rstrip("]")
            steps.append(int(inner) if inner.isdigit() else inner)
    return steps
