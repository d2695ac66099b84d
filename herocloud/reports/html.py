"""Reports as single HTML files: a plan, how an apply ended, and what is there; and the templates that make them.

A file needs nothing beside it and loads nothing: it can be attached to a change request, kept for years and opened anywhere. It has no
script, so that the strictest policy can stand in its head; folding is left to `<details>`.

In a checkout the templates lie at the root of the repository, where people look for them; a wheel carries a copy inside the package.
Everything is escaped except our own style sheet, which the page's policy names by its hash, so that a value that got through as markup
could still neither run nor style anything.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, sort_key
from herocloud.model.outcomes import Result
from herocloud.model.plans import Drift, Plan
from herocloud.model.words import Action, Impact, Status
from herocloud.model.worlds import Record, Thing
from herocloud.reports import contexts, inventories, timelines
from herocloud.state.history import Version
from herocloud.views import phrases, results, values
from herocloud.views.fates import Fate

if TYPE_CHECKING:
    import jinja2


def find_templates() -> Path:
    """Return the folder of templates: the checkout's, or the copy in the package."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "report_templates", package / "_shipped" / "report_templates"):
        if (folder / "layout.html.j2").is_file():
            return folder
    msg = f"no report templates beside or inside {package}: this installation is incomplete"
    raise FileNotFoundError(msg)


def render(template: str, context: dict[str, Json]) -> str:
    """Fill a template; the context gets the style sheet and the page's content security policy."""
    import markupsafe

    css = style_sheet()
    page = _environment().get_template(template)
    return page.render(context, css=markupsafe.Markup(css), policy=policy(css))  # noqa: S704 (our own file)


def style_sheet() -> str:
    """Return the style sheet."""
    return (find_templates() / "report.css").read_text(encoding="utf-8")


def policy(css: str) -> str:
    """Return a policy that lets nothing in but this style sheet: no script, no image, no font, no connection, no form."""
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> "jinja2.Environment":
    # 37 ms of import, paid only when a report is asked for.
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(find_templates()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["ticks"] = mark_ticks
    return environment


def mark_ticks(text: str) -> str:
    """Turn the backticks of our messages into code; the words between them stay escaped."""
    import markupsafe

    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return text
    return markupsafe.Markup("").join(
        markupsafe.Markup("<code>{}</code>").format(piece) if i % 2 else markupsafe.escape(piece) for i, piece in enumerate(pieces)
    )


def render_plan(plan: Plan, *, generated: float | None = None) -> str:
    """Write what a plan would do; without `generated` (seconds since 1970) equal plans give equal bytes."""
    word, mood = contexts.verdict(plan)
    down = [change.address for change in plan.changing if change.downtime is None or change.downtime > 0]
    return render(
        "plan.html.j2",
        {
            **contexts.frame(contexts.title_of_plan(plan), generated),
            **_about(plan),
            "verdict": word,
            "mood": mood,
            "tiles": contexts.tiles(plan),
            "time": phrases.time_line(plan) if plan.steps else "",
            "lost": contexts.names([c.address for c in plan.changing if c.impact is Impact.DATA and not c.protected]),
            "blocked": contexts.names([c.address for c in plan.changing if c.protected]),
            "lift": phrases.LIFT,
            "down": contexts.names(down),
            "complete": plan.complete,
            "purge": plan.purge,
            "gauges": contexts.gauges(plan.capacity),
            "changes": contexts.changes(plan),
            "timeline": contexts.timeline(timelines.of_plan(plan)),
            "drift": contexts.drift({"": plan.drift}),
            "findings": contexts.findings(plan.diagnostics),
            "outputs": _outputs(plan),
        },
    )


def _held(addresses: Iterable[Address], fate: Mapping[Address, Fate]) -> str:
    """Name what a failure holds back, by what has become of it."""
    groups: dict[str, list[Address]] = {}
    for address in addresses:
        groups.setdefault(fate[address].words, []).append(address)
    return "; ".join(f"{contexts.names(addresses)} ({words})" for words, addresses in groups.items())


def _verdict(word: str, result: Result) -> str:
    if word == "partial":
        return "partly applied" if result.has_effect else "failed"
    return "applied before" if word == "already" else word


def render_result(plan: Plan, result: Result, *, generated: float | None = None) -> str:
    """Write how an apply ended."""
    word = results.status_word(result)
    ends = results.endings(plan, result)
    fate = results.fates_of(plan, result)
    seconds: dict[Address, float] = {}
    for outcome in result.outcomes:
        seconds[outcome.address] = seconds.get(outcome.address, 0.0) + outcome.ended - outcome.started
    arranged = sorted(phrases.arrange(plan), key=lambda change: ends[change.address] is Status.DONE)
    rows = []
    for change in arranged[: contexts.MOST_CHANGES]:
        ended, mood = contexts.ending(fate[change.address])
        took = seconds.get(change.address)
        rows.append({**contexts.change_row(change, purge=plan.purge), "ended": ended, "mood": mood, "took": _took(took)})
    return render(
        "result.html.j2",
        {
            **contexts.frame(contexts.title_of_result(plan), generated),
            **_about(plan),
            "verdict": _verdict(word, result),
            "mood": "good" if word in ("done", "already") else "bad" if result.failed else "warn",
            "headline": results.headline(plan, result),
            "tiles": [
                contexts.step_tile(status, result.tally(status)) for status in Status if result.tally(status) or status is Status.DONE
            ],
            "failures": [
                {
                    "address": failure.outcome.address,
                    "kind": failure.outcome.kind,
                    "error": failure.outcome.error or "",
                    "took": _took(failure.outcome.ended - failure.outcome.started),
                    "held": _held(failure.held_back, fate),
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
    return render(
        "state.html.j2",
        {
            **contexts.frame(f"State of {host.name}", generated),
            **inventories.context(host, ordered, seen),
            "drift": contexts.drift(drift or {}),
            "history": [{**entry._asdict(), "when": values.show_moment(entry.at)} for entry in history[:20]],
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
        "tally": phrases.tally_line(plan),
        "delete": Action.DELETE.value,
    }


def _outputs(plan: Plan) -> list[dict[str, Json]]:
    return [
        {"name": name, "value": values.show("", value), "changed": plan.outputs_before.get(name) != value}
        for name, value in sorted(plan.outputs.items())
    ]


def _took(seconds: float | None) -> str:
    return "" if seconds is None else sizes.show_duration(round(seconds, 1) if seconds < 10 else round(seconds))
