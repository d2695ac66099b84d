"""What the templates are given: words and numbers that are ready to be shown, so that a template decides about nothing.

A report of 10,000 VMs must open at once and still name every one of them. So long lists of addresses are written as ranges (`vm.web[0 to
4999]` on one line and not on five thousand), and only so many changes are unfolded. What destroys data is unfolded before anything else.
"""

from collections.abc import Iterable, Mapping, Sequence

import herocloud
from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.plans import Capacity, Change, Drift, Plan
from herocloud.model.words import GLYPHS, Action, Impact, Status
from herocloud.reports import timelines
from herocloud.views import capacities, fates, phrases, values
from herocloud.views.fates import Fate

MOST_CHANGES = 300
_MOST_NAMES = 12

_TILES = (
    (Action.CREATE, "to add"),
    (Action.UPDATE, "to change"),
    (Action.STOP, "to stop"),
    (Action.REBOOT, "to reboot"),
    (Action.REPLACE, "to replace"),
    (Action.DELETE, "to destroy"),
    (Action.ADOPT, "to adopt"),
    (Action.MOVE, "to move"),
    (Action.FORGET, "to forget"),
)
_ALWAYS = (Action.CREATE, Action.UPDATE, Action.DELETE)


def frame(title: str, generated: float | None) -> dict[str, Json]:
    """Return what every page has."""
    return {
        "title": title,
        "version": herocloud.__version__,
        "generated": None if generated is None else values.show_moment(generated),
    }


def title_of_plan(plan: Plan) -> str:
    """Return the title of a plan."""
    if plan.operation == "destroy":
        return f"Destroy {plan.stack}"
    return f"Undo {plan.undoes} of {plan.stack}" if plan.undoes else f"Plan for {plan.stack}"


def title_of_result(plan: Plan) -> str:
    """Return the title of how a plan went."""
    if plan.operation == "destroy":
        return f"Destroy of {plan.stack}"
    return f"Undo of {plan.undoes} of {plan.stack}" if plan.undoes else f"Apply of {plan.stack}"


def tiles(plan: Plan) -> list[dict[str, Json]]:
    """Return the counts at the top of a plan."""
    counts = phrases.tally_actions(plan)
    return [
        {"number": counts[action], "words": words, "style": style(action)}
        for action, words in _TILES
        if counts[action] or action in _ALWAYS
    ]


def gauges(capacity: Capacity) -> list[dict[str, Json]]:
    """Return the capacity bars; positions are in thousandths of the bar."""
    found: list[dict[str, Json]] = []
    for gauge in capacities.gauges(capacity):
        level = gauge.level
        highest = max(level.before, level.peak, level.after)
        # Without a limit a quarter stays empty: a full bar would say that the host is full.
        top = (highest * 4 / 3 if level.limit is None else max(level.limit, highest)) or 1
        found.append(
            {
                "word": gauge.word,
                "text": capacities.show_gauge(gauge),
                "before": round(level.before / top * 1000, 1),
                "after": round(level.after / top * 1000, 1),
                "peak": round(level.peak / top * 1000, 1),
                "limit": None if level.limit is None else round(level.limit / top * 1000, 1),
                "limit_text": "no limit known" if level.limit is None else f"of {gauge.write(level.limit)}",
                "share": "" if not level.limit else f"{level.after / level.limit:.0%}",
                "over": gauge.over,
            }
        )
    return found


def changes(plan: Plan) -> dict[str, Json]:
    """Return the changes: unfolded ones in two groups, and the rest by name only."""
    arranged = phrases.arrange(plan)
    destroying = [change for change in arranged if change.impact is Impact.DATA]
    others = [change for change in arranged if change.impact is not Impact.DATA]
    room = max(0, MOST_CHANGES - len(destroying))
    return {
        "others": [change_row(change, purge=plan.purge) for change in others[:room]],
        "destroying": [change_row(change, purge=plan.purge) for change in destroying[:MOST_CHANGES]],
        "folded": folded(others[room:]) + folded(destroying[MOST_CHANGES:]),
    }


def folded(left: Sequence[Change]) -> list[dict[str, Json]]:
    """Return changes by action, as ranges of addresses."""
    found: list[dict[str, Json]] = []
    for action in Action:
        same = [change.address for change in left if change.action is action]
        if same:
            found.append({"action": action.value, "style": style(action), "number": len(same), "names": ids.fold_addresses(same)})
    return found


def change_row(change: Change, *, purge: bool = False) -> dict[str, Json]:
    """Return one change."""
    first = phrases.lines(change, purge=purge)[0]
    fields: list[tuple[str, str | None, str | None]] = []
    if change.action is Action.CREATE:
        fields = [(path, None, text) for path, text in phrases.verbose_fields(change.after)]
    elif change.action is Action.DELETE:
        fields = [(path, text, None) for path, text in phrases.verbose_fields(change.before)]
    return {
        "address": change.address,
        "glyph": GLYPHS[change.action],
        "style": style(change.action),
        "action": phrases.action_words(change),
        "first": first,
        "remarks": [line for line in phrases.remarks(change) if line != first],
        "reason": phrases.REASONS[change.reason],
        "provider": change.provider,
        "sid": change.sid,
        "protected": change.protected,
        "destroys": change.impact is Impact.DATA,
        "fields": [{"path": path, "before": before, "after": after, "why": ""} for path, before, after in fields]
        + [
            {
                "path": field.path,
                "before": _side(field.path, field.before, sensitive=field.sensitive),
                "after": _side(field.path, field.after, sensitive=field.sensitive),
                "why": field.why,
            }
            # A thing that is re-created has all its fields above; how the old one had drifted says nothing about it.
            for field in (() if change.action is Action.CREATE else change.fields)
        ],
        "hidden": phrases.hidden_fields(change),
    }


def style(action: Action) -> str:
    """Return the class that colours an action."""
    return action.value.replace("-", "")


def findings(found: Iterable[Diagnostic]) -> list[dict[str, Json]]:
    """Return diagnostics in reading order."""
    return [
        {
            "severity": diagnostic.severity.value,
            "summary": diagnostic.summary,
            "detail": diagnostic.detail,
            "address": diagnostic.address,
            "place": f"{diagnostic.place.file}:{diagnostic.place.line}:{diagnostic.place.column}" if diagnostic.place else "",
            "snippet": diagnostic.snippet,
            "hint": diagnostic.hint,
        }
        for diagnostic in sort_diagnostics(list(found))
    ]


def timeline(found: timelines.Timeline) -> dict[str, Json]:
    """Return a timeline with its times in words."""
    return {
        "total": sizes.show_duration(_rounded(found.total)),
        "hidden": found.hidden,
        "rows": [
            {
                "address": row.address,
                "end": sizes.show_duration(_rounded(row.end)),
                "bars": [
                    {
                        "left": bar.left,
                        "wide": bar.wide,
                        "mark": bar.mark or "plain",
                        "title": f"{bar.kind}: {sizes.show_duration(_rounded(bar.end - bar.start))}",
                    }
                    for bar in row.bars
                ],
            }
            for row in found.rows
        ],
        "path": [
            {"step": bar.step, "took": sizes.show_duration(_rounded(bar.end - bar.start))} for bar in found.path if bar.end > bar.start
        ],
    }


def drift(drifts: Mapping[str, Sequence[Drift]]) -> list[dict[str, Json]]:
    """Return what differs from the records, by cause; the names of `drifts` stand before the addresses, where there is one."""
    groups: dict[str, list[Json]] = {header: [] for header in phrases.CAUSES.values()}
    for name, some in sorted(drifts.items()):
        for header, rows in phrases.drift_groups(some):
            groups[header] += [{"address": f"{name} · {address}" if name else address, "line": line} for address, line in rows]
    return [{"header": header, "rows": rows} for header, rows in groups.items() if rows]


def verdict(plan: Plan) -> tuple[str, str]:
    """Return a word for the plan and the class that colours it."""
    if plan.errored:
        return "has errors", "bad"
    if plan.blocked:
        return "blocked", "bad"
    if not plan.changing:
        return "no changes", "good"
    return "ready to apply", "good"


def names(addresses: Sequence[str]) -> str:
    """Write a few addresses and count the rest."""
    shown = ids.fold_addresses(addresses)
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return ", ".join(shown[:_MOST_NAMES]) + more


def step_tile(status: Status, number: int) -> dict[str, Json]:
    """Return the tile that counts the steps that ended so."""
    word = "not started" if status is Status.SKIPPED else status.value
    style = {Status.DONE: "good", Status.FAILED: "bad", Status.UNDONE: "quiet"}.get(status, "warn")
    return {"number": number, "words": f"{'step' if number == 1 else 'steps'} {word}", "style": style}


def ending(fate: Fate) -> tuple[str, str]:
    """Return the words for how a change ended and the class that colours them."""
    moods = {fates.DONE: "good", fates.FAILED: "bad", fates.BEGUN: "bad", fates.TAKEN_BACK: "quiet"}
    return fate.words, "quiet" if fate.untouched else moods.get(fate.word, "warn")


def _side(path: str, value: Json, *, sensitive: bool) -> str | None:
    if value is None:
        return None
    return values.fingerprint(value) if sensitive or values.is_sensitive(path) else values.show(path, value)


def _rounded(seconds: float) -> float:
    return round(seconds, 1) if seconds < 10 else round(seconds)
