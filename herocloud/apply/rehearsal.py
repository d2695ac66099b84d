"""`--rehearse`: the same executor, against a simulated copy of what is really there.

State and world are copies in a temporary folder, and the only driver that the executor can reach is the simulator's: that a rehearsal
touches nothing is so by construction, and not by a flag that every provider would have to honour. What it hands back are records
and observations like the real ones; planning the stack from them again must give no changes.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.apply import executor
from herocloud.apply.steering import Options
from herocloud.model.hosts import Host
from herocloud.model.ids import StackName, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import annotation
from herocloud.providers import registry
from herocloud.providers.drivers import Drivers
from herocloud.providers.seam import Declaration, ProviderContext
from herocloud.state import store as states
from herocloud.state.store import Entry, Store


class Rehearsal(NamedTuple):
    """How it went, and what the copy looks like afterwards."""

    result: Result
    recorded: Recorded
    observed: Observed


def rehearse(
    plan: Plan, recorded: Recorded, observed: Observed, host: Host, *, options: Options, tell: Callable[[Event], None]
) -> Rehearsal:
    """Run a plan on a copy. `observed` must hold every stack, because what others occupy is part of the world."""
    with tempfile.TemporaryDirectory(prefix="herocloud-rehearsal-") as name:
        folder = Path(name)
        simulator = registry.simulation()
        opened = states.open_state(folder, write=True)
        assert opened is not None  # noqa: S101  (opening for writing makes what is not there)
        with opened as store:
            _copy_records(recorded, store)
            context = ProviderContext(folder, host)
            _copy_world(simulator, observed, context, store.lineage)
            drivers = Drivers(context)
            try:
                result = executor.execute(
                    annotation.for_copy(plan), store, lambda _provider, role: drivers(simulator.name, role), options=options, tell=tell
                )
            finally:
                drivers.close()
            after = store.recorded()
        seen = simulator.observer(context).observe(None)
    return Rehearsal(
        # What the copy calls its apply is the name of another one, or of none, in the state that it is a copy of.
        result._replace(rehearsed=True, apply="", undo_refused="", undo_idle=False),
        after._replace(lineage=recorded.lineage, unfinished=recorded.unfinished),
        _with_lineage(seen, recorded.lineage),
    )


def _copy_records(recorded: Recorded, store: Store) -> None:
    records: list[Record] = [record for records in recorded.records.values() for record in records.values()]
    store.edit("rehearse", None, [Entry(StepId("copy"), "done", 0.0, record=record) for record in records])
    store.grow_slices(recorded.slices)


def _copy_world(simulator: Declaration, observed: Observed, context: ProviderContext, lineage: str) -> None:
    assert simulator.simulation is not None  # noqa: S101  (the registry finds it by that)
    simulator.simulation.copy(_with_lineage(observed, lineage), context)


def _with_lineage(observed: Observed, lineage: str | None) -> Observed:
    """Give things the mark of the state that rehearses, or take it away again."""

    def mark(thing: Thing) -> Thing:
        return thing._replace(lineage=lineage)

    things = {StackName(stack): {address: mark(thing) for address, thing in things.items()} for stack, things in observed.things.items()}
    return observed._replace(things=things)
