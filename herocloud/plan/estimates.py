"""How long a plan takes: its steps played through as the executor will run them.

Each step takes what steps of its kind took here with the same provider before, else what it takes on an ordinary host. They are then
played through with the executor's own rules: lanes, the bound on all of them, begun changes first. The longest chain alone would promise
that a thousand VMs boot in the time of one; adding up what each lane has to do forgets that lanes wait for each other.

What was learnt is an input like any other. It changes what is shown of a plan, and neither what the plan does nor its name.
"""

import heapq
from collections.abc import Callable, Sequence

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.plans import Change
from herocloud.model.steps import EXECUTOR, FETCH, KINDS, LANES, PARALLELISM, Step, expected_seconds, moves_node
from herocloud.model.words import Action
from herocloud.model.worlds import Durations

_BOOKKEEPING = 0.001
"""Seconds that each step costs the executor itself where nobody has measured it yet: it writes its journal one turn after the other."""


_INTERRUPTING = (Action.STOP, Action.REBOOT, Action.REPLACE)


class Timing(NamedTuple):
    """When each step runs, in the order of the steps, in seconds since the apply began."""

    starts: Sequence[float]
    ends: Sequence[float]
    total: float


def pace(learnt: Durations, host: Host) -> Callable[[Step], float]:
    """Return what tells how long a step takes on this host."""
    steady = dict(host.step_times)
    known: dict[tuple[str, str], float] = dict(learnt)

    def seconds(step: Step) -> float:
        key = (step.kind, step.provider)
        duration = known.get(key)
        if duration is None:
            duration = steady[step.provider] if step.provider in steady else expected_seconds(step)
            if step.kind != FETCH:
                # Where an image comes from decides how long it takes; everything else is the same for all of its kind.
                known[key] = duration
        return duration

    return seconds


def estimate(steps: Sequence[Step], parallelism: int = PARALLELISM, learnt: Durations | None = None) -> Timing:
    """Play steps through, each as long as it is expected to take; each comes after what it needs.

    Many short steps take as long as the executor itself needs for them, whatever their providers do meanwhile.
    """
    starts, ends = _play(steps, parallelism)
    return Timing(starts, ends, max((learnt or {}).get(EXECUTOR, _BOOKKEEPING) * len(steps), max(ends, default=0.0)))


def _play(steps: Sequence[Step], parallelism: int) -> tuple[list[float], list[float]]:
    """Run the steps as the executor does: as many at once as their lanes have room for, those of the first change first."""
    position = {step.id: number for number, step in enumerate(steps)}
    waiting = [len(step.needs) for step in steps]
    then: list[list[int]] = [[] for _ in steps]
    ranks: dict[Address, int] = {}
    order, lanes = [], []
    for number, step in enumerate(steps):
        order.append(ranks.setdefault(step.address, len(ranks)))
        lanes.append(KINDS[step.kind].lane)
        for need in step.needs:
            then[position[need]].append(number)
    ready: dict[str, list[tuple[int, int]]] = {lane: [] for lane in LANES}
    room = {lane: min(LANES[lane], parallelism) for lane in LANES}
    for number, count in enumerate(waiting):
        if count == 0:
            ready[lanes[number]].append((order[number], number))
    for heap in ready.values():
        heapq.heapify(heap)
    starts, ends, now = [0.0] * len(steps), [0.0] * len(steps), 0.0
    running: list[tuple[float, int]] = []
    while True:
        while len(running) < parallelism:
            open_lanes = [(heap[0], lane) for lane, heap in ready.items() if heap and room[lane]]
            if not open_lanes:
                break
            (_, number), lane = min(open_lanes)
            heapq.heappop(ready[lane])
            room[lane] -= 1
            starts[number], ends[number] = now, now + steps[number].seconds
            heapq.heappush(running, (ends[number], number))
        if not running:
            return starts, ends
        now, number = heapq.heappop(running)
        room[lanes[number]] += 1
        for after in then[number]:
            waiting[after] -= 1
            if waiting[after] == 0:
                heapq.heappush(ready[lanes[after]], (order[after], after))


def with_downtimes(changes: Sequence[Change], steps: Sequence[Step], timing: Timing, *, carrying: bool = True) -> dict[Address, Change]:
    """Return the changes that interrupt a VM, each with the time from its stop to its last boot; it has none when it stays off.

    A node of the overlay that moves carries nothing while its step runs; it is down only where it was `carrying` something for VMs.
    """
    down = {change.address: change for change in changes if change.kind == "vm" and change.action in _INTERRUPTING}
    nodes = {change.address: change for change in changes if carrying and change.kind == "mycelium" and change.action is Action.UPDATE}
    moved: dict[Address, Change] = {}
    for number, step in enumerate(steps if nodes else ()):
        if step.address in nodes and moves_node(step):
            moved[step.address] = nodes[step.address]._replace(downtime=round(timing.ends[number] - timing.starts[number], 3))
    began: dict[Address, float] = {}
    back: dict[Address, float] = {}
    for number, step in enumerate(steps if down else ()):
        if step.address not in down:
            continue
        if KINDS[step.kind].stops:
            began.setdefault(step.address, timing.starts[number])
        elif KINDS[step.kind].boots:
            back[step.address] = timing.ends[number]
    stopped = {
        address: change._replace(downtime=_downtime(change, began.get(address), back.get(address))) for address, change in down.items()
    }
    return stopped | moved


def _downtime(change: Change, began: float | None, back: float | None) -> float | None:
    """Return the seconds between a VM's stop and its last boot, nothing when it stays off."""
    if change.action is Action.STOP:
        return None
    if began is None:
        return 0.0
    return None if back is None else round(back - began, 3)
