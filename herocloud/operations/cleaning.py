"""What carries our mark and no record owns, and deleted data that is still kept: listed, and removed by a plan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.apply.collecting import Orphan
from herocloud.model.ids import StackName
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Recorded, Thing
from herocloud.operations import checking, hosting, planning, reading, running
from herocloud.operations.hosting import Hosting
from herocloud.operations.running import How
from herocloud.providers.seam import Tombstone

KEEP_SECONDS = 7 * 86400.0
"""How long deleted data is kept."""


class Litter(NamedTuple):
    """What could be removed."""

    orphans: tuple[Thing, ...]
    tombstones: tuple[Tombstone, ...]
    spared: tuple[Thing, ...]
    """Orphans with the mark of another state, which may well have an owner."""
    plans: tuple[Plan, ...]
    """How the orphans would go, one plan a stack."""


class Cleaned(NamedTuple):
    """What was removed."""

    results: tuple[tuple[Plan, Result], ...]
    tombstones: tuple[Tombstone, ...]


def find_orphans(folder: Path) -> list[Orphan]:
    """Look at the whole host for what no record of this state owns."""
    recorded = reading.read_recorded(folder)
    return orphans_of(recorded, hosting.find_host(folder, recorded))


def orphans_of(recorded: Recorded, host: Hosting) -> list[Orphan]:
    """Look at the whole host for what no record owns."""
    from herocloud.apply import collecting

    return collecting.find_orphans(recorded, planning.look(host, None))


def find_litter(folder: Path, *, everything: bool, foreign: bool, purge: bool, now: float) -> Litter:
    """Return orphans with the plans that remove them, and deleted data whose time has passed, or all of it."""
    from herocloud.apply import collecting

    recorded = reading.read_recorded(folder)
    host = hosting.find_host(folder, recorded)
    observed = planning.look(host, None)
    found = collecting.find_orphans(recorded, observed)
    going = tuple(one.thing for one in found if foreign or not one.foreign)
    buried = list_tombstones(host)
    plans = tuple(
        collecting.plan_removal(
            StackName(stack), [thing for thing in going if thing.stack == stack], recorded, observed, host.host, purge=purge
        )
        for stack in sorted({thing.stack for thing in going})
    )
    return Litter(
        going,
        tuple(buried if everything else collecting.expired(buried, now, KEEP_SECONDS)),
        tuple(one.thing for one in found if one.foreign and not foreign),
        plans,
    )


def clean(folder: Path, litter: Litter, how: How) -> Cleaned:
    """Run the plans, then destroy the deleted data."""
    results: list[tuple[Plan, Result]] = []
    with running.writing(folder, "state gc", None, how) as store:
        host = hosting.find_host(folder, store.recorded())
        for plan in litter.plans:
            planning.refuse_unapplyable(plan)
            checking.require_fresh(plan, store.recorded(), host)
            results.append((plan, running.run(plan, store, host, how)))
            if results[-1][1].interrupted:
                return Cleaned(tuple(results), ())
        dropped = _drop(host, litter.tombstones)
    return Cleaned(tuple(results), dropped)


def _drop(host: Hosting, tombstones: tuple[Tombstone, ...]) -> tuple[Tombstone, ...]:
    dropped: list[Tombstone] = []
    for driver in _keepers(host) if tombstones else ():
        dropped += [stone for stone in tombstones if driver.drop_tombstone(stone.key)]
    return tuple(dropped)


def list_tombstones(host: Hosting) -> list[Tombstone]:
    """List deleted data of every provider that keeps some."""
    found: list[Tombstone] = []
    for driver in _keepers(host):
        found += driver.tombstones()
    return found


def _keepers(host: Hosting) -> Iterator[Any]:
    """Open each provider that keeps deleted data, one after the other."""
    from herocloud.providers import registry

    for name in hosting.observing_names(host.context):
        if "images" in registry.PROVIDERS[name].roles:
            driver = registry.driver(name, "images", host.context)
            try:
                yield driver
            finally:
                driver.close()
