"""How long a plan takes: the longest chain of steps, or the busiest lane, whichever is more.

The chain alone would promise that 10,000 VMs boot in the time of one. The planner knows only the expected time of an ordinary host;
a caller who has medians learned from the journal hands them in.
"""

from collections.abc import Mapping

from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, LANES, Step


def expected_seconds(step: Step, durations: Mapping[str, float] | None = None) -> float:
    """Return how long one step takes."""
    if durations and step.kind in durations:
        return durations[step.kind]
    info = KINDS.get(step.kind)
    return info.expected if info else 0.0


def total_seconds(plan: Plan, durations: Mapping[str, float] | None = None, parallelism: int = 10) -> float:
    """Return how long the whole plan takes."""
    lanes: dict[str, float] = {}
    ends: dict[str, float] = {}
    for step in plan.steps:
        seconds = expected_seconds(step, durations)
        info = KINDS.get(step.kind)
        lane = info.lane if info else "state"
        lanes[lane] = lanes.get(lane, 0.0) + seconds
        if durations:
            # The planner writes steps after what they need; a need that comes later would only make the estimate shorter.
            ends[step.id] = seconds + max([ends.get(need, 0.0) for need in step.needs], default=0.0)
    chain = max(ends.values(), default=0.0) if durations else plan.critical_seconds
    busiest = max([seconds / min(LANES[lane], parallelism) for lane, seconds in lanes.items()], default=0.0)
    return max(chain, busiest)
