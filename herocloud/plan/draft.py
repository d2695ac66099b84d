"""A plan before it is finished: what happens at each address and why, with steps that have no order among addresses yet.

Every kind of plan has an entrance of its own, which makes a draft; `finish` turns any draft into a plan. What differs between kinds is
decided in the draft, so that order, proof, facts and name come out of one place for all of them.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, Sid, StackName, StepId
from herocloud.model.plans import Change, Drift, Fact
from herocloud.model.steps import NOTHING, PARALLELISM, Claim, Step
from herocloud.model.worlds import Observed, Recorded
from herocloud.plan.changes import Decision


class World(NamedTuple):
    """What a plan relies on: the state, the last look at the providers, and the machine, all as they are now."""

    recorded: Recorded
    observed: Observed | None
    host: Host


class Draft(NamedTuple):
    """What one entrance decided."""

    stack: StackName
    operation: str
    world: World
    named_after: Json
    """What the name of the plan depends on beside changes, facts and outputs: options of the caller, what is taken back."""
    decisions: Mapping[Address, Decision]
    found: tuple[Diagnostic, ...]
    outputs: Mapping[str, Json]
    used: Claim = NOTHING
    """What the host is filled with before the first step."""
    waits: Mapping[StepId, set[StepId]] = {}
    """What steps wait for in other changes, as far as the kind of plan knows it."""
    new_slices: tuple[Sid, ...] = ()
    """Slices that somebody else must not have taken until the plan runs."""
    free_slices: int = 0
    """How many slices the plan draws from what is free now; the others come from its own steps."""
    everything: tuple[Change, ...] | None = None
    """All changes to show, with those that do nothing; only the deciding ones where nothing is given."""
    places: Mapping[Address, Place | None] = {}
    """Where a file asks for an address."""
    kept: Mapping[Address, tuple[Fact, ...]] = {}
    """The deleted data that changes bring back, as facts."""
    drift: tuple[Drift, ...] = ()
    complete: bool = True
    narrow: bool = False
    """True for a command about single things: what ails the rest of the host does not stop it."""
    purge: bool = False
    simulated: bool = False
    parallelism: int = PARALLELISM
    """How many steps run at once at most; it changes how long the plan takes, and not the plan."""

    @property
    def steps(self) -> list[Step]:
        """Return the steps of all changes, each change's in its own order."""
        return [step for decision in self.decisions.values() for step in decision.steps]

    @property
    def errored(self) -> bool:
        """Return whether it is known already that this can be no plan to apply."""
        return any(diagnostic.is_error for diagnostic in self.found)
