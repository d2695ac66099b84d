"""Reports as single HTML files: a plan, how an apply ended, and what is there.

A file needs nothing beside it and loads nothing: it can be attached to a change request, kept for years and opened anywhere. It has
no script, so that the strictest policy can stand in its head; folding is left to `<details>`.
"""

from collections.abc import Iterable, Mapping, Sequence

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, sort_key
from herocloud.model.outcomes import Result
from herocloud.model.plans import Drift, Plan
from herocloud.model.words import Action, Impact, Status
from herocloud.model.worlds import Record, Thing
from herocloud.reports import contexts, inventories, loading, timelines
from herocloud.state.entries import Version
from herocloud.views import moments, phrasing, results, timing, values


def render_plan(plan: Plan, *, durations: Mapping[str, float] | None = None, generated: float | None = None) -> str:
    """Write what a plan would do; without `generated` (seconds since 1970) equal plans give equal bytes."""
    word, mood = contexts.verdict(plan)
    seconds = timing.total_seconds(plan, durations)
    down = [change.address for change in plan.changing if change.downtime > 0]
    return loading.render(
        "plan.html.j2",
        {
            **contexts.frame(f"Plan for {plan.stack}", generated),
            **_about(plan),
            "verdict": word,
            "mood": mood,
            "tiles": contexts.tiles(plan),
            "time": phrasing.time_line(seconds, plan) if plan.steps else "",
            "lost": contexts.names([c.address for c in plan.changing if c.impact is Impact.DATA and not c.protected]),
            "blocked": contexts.names([c.address for c in plan.changing if c.protected]),
            "lift": phrasing.LIFT,
            "down": contexts.names(down),
            "complete": plan.complete,
            "purge": plan.purge,
            "gauges": contexts.gauges(plan.capacity),
            "changes": contexts.changes(plan),
            "timeline": contexts.timeline(timelines.of_plan(plan, durations=durations)),
            "drift": contexts.drift(plan),
            "findings": contexts.findings(plan.diagnostics),
            "outputs": _outputs(plan),
        },
    )


def render_result(plan: Plan, result: Result, *, generated: float | None = None) -> str:
    """Write how an apply ended."""
    word = results.status_word(result)
    ends = results.endings(plan, result)
    seconds: dict[Address, float] = {}
    for outcome in result.outcomes:
        seconds[outcome.address] = seconds.get(outcome.address, 0.0) + outcome.ended - outcome.started
    arranged = sorted(phrasing.arrange(plan), key=lambda change: ends[change.address] is Status.DONE)
    rows = []
    for change in arranged[: contexts.MOST_CHANGES]:
        ended, mood = contexts.ending(ends[change.address])
        took = seconds.get(change.address)
        rows.append({**contexts.change_row(change, purge=plan.purge), "ended": ended, "mood": mood, "took": _took(took)})
    return loading.render(
        "result.html.j2",
        {
            **contexts.frame(f"Apply of {plan.stack}", generated),
            **_about(plan),
            "verdict": "partly applied" if word == "partial" else "applied before" if word == "already" else word,
            "mood": "good" if word in ("done", "already") else "bad" if result.failed else "warn",
            "headline": results.headline(plan, result),
            "tiles": [
                {"number": result.tally(status), "words": f"steps {status.value}", "style": contexts.ending(status)[1]}
                for status in Status
                if result.tally(status) or status is Status.DONE
            ],
            "failures": [
                {
                    "address": failure.outcome.address,
                    "kind": failure.outcome.kind,
                    "error": failure.outcome.error or "",
                    "took": _took(failure.outcome.ended - failure.outcome.started),
                    "held": contexts.names(failure.held_back),
                }
                for failure in results.failures(result)
            ],
            "rows": rows,
            "folded": contexts.folded(arranged[contexts.MOST_CHANGES :]),
            "timeline": contexts.timeline(timelines.of_result(result)),
            "notes": list(result.notes),
            "way_on": results.next_step(plan, result),
            "outputs": _outputs(plan) if word == "done" else [],
        },
    )


def render_state(
    host: Host,
    records: Iterable[Record],
    seen: Mapping[tuple[str, Address], Thing] | None = None,
    *,
    drift: Mapping[str, Sequence[Drift]] | None = None,
    history: Sequence[Version] = (),
    generated: float | None = None,
) -> str:
    """Write what is recorded and, with `seen` (keyed by stack and address), what of it is there; `drift` is keyed by stack."""
    ordered = sorted(records, key=lambda record: (record.stack, sort_key(record.address)))
    return loading.render(
        "state.html.j2",
        {
            **contexts.frame(f"State of {host.name}", generated),
            **inventories.context(host, ordered, seen),
            "drift": [
                {"address": f"{stack} · {address}", "line": line}
                for stack, found in sorted((drift or {}).items())
                for address, line in phrasing.drift_rows(found)
            ],
            "history": [{**entry._asdict(), "when": moments.show(entry.at)} for entry in history[:20]],
        },
    )


def _about(plan: Plan) -> dict[str, Json]:
    return {
        "stack": plan.stack,
        "host": plan.host,
        "slices_total": plan.slices_total,
        "slices_free": plan.slices_free,
        "simulated": plan.simulated,
        "plan_id": plan.id,
        "operation": plan.operation,
        "tally": phrasing.tally_line(plan),
        "delete": Action.DELETE.value,
    }


def _outputs(plan: Plan) -> list[dict[str, Json]]:
    return [
        {"name": name, "value": values.show("", value), "changed": plan.outputs_before.get(name) != value}
        for name, value in sorted(plan.outputs.items())
    ]


def _took(seconds: float | None) -> str:
    return "" if seconds is None else sizes.show_duration(round(seconds, 1) if seconds < 10 else round(seconds))
