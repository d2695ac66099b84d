"""Rehearsing a plan on a copy of state and world, and proving that nothing is left to do after it."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import checking, hosting, planning, reading
from herocloud.operations.hosting import Hosting
from herocloud.operations.planning import Asked, Planned
from herocloud.operations.running import How


class Rehearsed(NamedTuple):
    """How the rehearsal went."""

    plan: Plan
    result: Result
    left: tuple[str, ...]
    """What would still be to do; nothing when the plan does all that it says."""


class _After(NamedTuple):
    result: Result
    recorded: Recorded
    observed: Observed


def rehearse(planned: Planned, asked: Asked, how: How) -> Rehearsed:
    """Run a plan that was just made on a copy, and plan the same stack from what is there then."""
    from herocloud.plan import planning as planner

    _require_ended(planned.recorded)
    planning.refuse_unapplyable(planned.plan)
    after = _run(planned.plan, planned.recorded, planned.hosting, how)
    # What `--replace` asks for was made anew; asking again would never come to an end.
    options = asked.options._replace(replace=())
    again = planner.plan(planned.desired, after.recorded, after.observed, planned.hosting.host, options)
    return Rehearsed(planned.plan, after.result, tuple(change.address for change in again.changing))


def rehearse_saved(folder: Path, plan: Plan, how: How) -> Rehearsed:
    """Run a saved plan on a copy, and compare what is there then with what it says."""
    recorded = reading.read_recorded(folder)
    _require_ended(recorded)
    checking.require_own(plan, recorded)
    planning.refuse_unapplyable(plan)
    host = hosting.find_host(folder, recorded)
    checking.require_fresh(plan, recorded, host)
    after = _run(plan, recorded, host, how)
    return Rehearsed(plan, after.result, tuple(checking.not_in_place(plan, after.recorded, after.observed)))


def _run(plan: Plan, recorded: Recorded, host: Hosting, how: How) -> _After:
    from herocloud.apply import rehearsing

    with how.watch(plan, ()) as tell:
        return _After(*rehearsing.rehearse(plan, recorded, planning.look(host, None), host.host, options=how.options, tell=tell))


def _require_ended(recorded: Recorded) -> None:
    if recorded.unfinished is not None:
        detail = f"The apply of plan `{recorded.unfinished}` did not end, and what it left half-made cannot be rehearsed on."
        raise Refused([Diagnostic("unfinished-apply", "An earlier apply is not finished", detail, hint="`herocloud resume` finishes it")])
