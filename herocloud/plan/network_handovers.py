"""Ranges and published ports that pass from one network of a stack to another: the one that has them gives them up first.

No two bridges can have the same addresses at once, nor publish one port. A VM that leaves the old network for the new one is without
either until the new one is there. One that runs can do so; where something has to stay on the old network until it is on the new one,
there is no order that works, and the plan says so.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import Step
from herocloud.plan import conflicts, network_diagnostics
from herocloud.plan.changes import Decision


def wait_for_release(decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]) -> None:
    """Make networks that get a range or a port wait until those that have it have given it up."""
    for taker, giver, _ in _handovers(step for decision in decisions.values() for step in decision.steps):
        waits.setdefault(taker.id, set()).add(giver.id)


def find_circle(steps: Iterable[Step], circle: Collection[StepId], places: Mapping[Address, Place | None]) -> Diagnostic | None:
    """Tell of a range or a port that cannot pass on, where that is what makes steps wait for each other."""
    for taker, giver, what in _handovers(steps):
        if taker.id in circle and giver.id in circle:
            return network_diagnostics.cannot_pass(taker.address, what, giver.address, places.get(taker.address))
    return None


def _handovers(steps: Iterable[Step]) -> Iterator[tuple[Step, Step, str]]:
    """Yield steps by which networks get something of the host, each with one by which another gives it up, and what it is."""
    changing = [step for step in steps if step.part == "network" and step.before != step.after and conflicts.shares_ranges(step.provider)]
    for taker in changing if len(changing) > 1 else ():
        for giver in changing:
            what = _passed(taker, giver) if taker.address != giver.address else None
            if what is not None:
                yield taker, giver, what


def _passed(taker: Step, giver: Step) -> str | None:
    """Return what one step needs that the other gives up, in words."""
    wanted, held = _range(taker.after), _range(giver.before)
    if wanted != _range(taker.before) and held != _range(giver.after) and wanted and held and conflicts.overlap(wanted, held):
        return wanted
    got = conflicts.ports(taker.after).keys() - conflicts.ports(taker.before).keys()
    given = conflicts.ports(giver.before).keys() - conflicts.ports(giver.after).keys()
    return next((f"port {number}/{protocol} of this host" for protocol, number in sorted(got & given)), None)


def _range(network: Part) -> str:
    return str((network or {}).get("cidr") or "")
