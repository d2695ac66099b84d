"""When each step runs: as planned (as early as its needs allow) or as it really went.

The planned times assume that nothing waits for a free lane; the report says so. The critical path is the chain of steps that
decides the total: making anything else faster changes nothing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan

WIDTH = 1000
"""Units across a timeline; the browser stretches them."""


class Bar(NamedTuple):
    """One step on the timeline; `left` and `wide` are in units of `WIDTH`."""

    step: str
    kind: str
    start: float
    end: float
    left: float
    wide: float
    mark: str
    """`critical` for a planned step that decides the total, or how a real one ended."""


class Row(NamedTuple):
    """The steps of one address."""

    address: str
    bars: tuple[Bar, ...]
    end: float


class Timeline(NamedTuple):
    """Rows that end last come first, because they decide how long it takes."""

    rows: tuple[Row, ...]
    total: float
    hidden: int
    """How many addresses are left out."""
    path: tuple[Bar, ...] = ()
    """The critical path."""


def of_plan(plan: Plan, *, most: int = 30) -> Timeline:
    """Return the planned times."""
    ends: dict[StepId, float] = {}
    starts: dict[StepId, float] = {}
    before: dict[StepId, StepId | None] = {}
    for step in plan.steps:
        latest = max((need for need in step.needs if need in ends), key=lambda need: ends[need], default=None)
        starts[step.id] = ends[latest] if latest is not None else 0.0
        ends[step.id] = starts[step.id] + step.seconds
        before[step.id] = latest
    total = max(ends.values(), default=0.0)
    critical: list[StepId] = []
    last = max(ends, key=lambda key: ends[key], default=None)
    while last is not None:
        critical.append(last)
        last = before[last]
    marked = set(critical)
    bars: dict[Address, list[Bar]] = {}
    path: dict[StepId, Bar] = {}
    for step in plan.steps:
        bar = _bar(step.id, step.kind, starts[step.id], ends[step.id], total, "critical" if step.id in marked else "")
        bars.setdefault(step.address, []).append(bar)
        if step.id in marked:
            path[step.id] = bar
    return _timeline(bars, total, most, tuple(path[key] for key in reversed(critical)))


def of_result(result: Result, *, most: int = 30) -> Timeline:
    """Return how it really went."""
    total = max([result.seconds, *(outcome.ended for outcome in result.outcomes)], default=0.0)
    bars: dict[Address, list[Bar]] = {}
    for outcome in result.outcomes:
        if outcome.ended > outcome.started:
            bar = _bar(outcome.step, outcome.kind, outcome.started, outcome.ended, total, outcome.status.value)
            bars.setdefault(outcome.address, []).append(bar)
    return _timeline(bars, total, most)


def _timeline(bars: Mapping[Address, list[Bar]], total: float, most: int, path: tuple[Bar, ...] = ()) -> Timeline:
    rows = [Row(address, tuple(found), max(bar.end for bar in found)) for address, found in bars.items()]
    rows.sort(key=lambda row: -row.end)
    return Timeline(tuple(rows[:most]), total, max(0, len(rows) - most), path)


def _bar(step: str, kind: str, start: float, end: float, total: float, mark: str) -> Bar:
    scale = WIDTH / total if total else 0.0
    # A step that takes no time still leaves a trace that can be seen and pointed at.
    return Bar(step, kind, start, end, round(min(start * scale, WIDTH - 2.0), 1), round(max(2.0, (end - start) * scale), 1), mark)
