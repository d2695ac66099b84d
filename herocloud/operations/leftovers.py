"""What carries our mark without a record that owns it, and deleted data that is still kept: listed, removed, or adopted."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import nearest, sizes
from herocloud.model.applies import HOST, Scope
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import HerocloudError, Refused
from herocloud.model.ids import StackName
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.model.worlds import Recorded, Thing
from herocloud.operations import admission, deletion_times, execution, held_data, import_folders, inputs, kept_data, lookups, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.held_data import Held
from herocloud.operations.inputs import Hosting, Sources
from herocloud.operations.stack_plans import Planned
from herocloud.plan import lost_data, orphans
from herocloud.plan.orphans import Orphan
from herocloud.plan.scope import PlanOptions
from herocloud.providers.seam import Tombstone


class Litter(NamedTuple):
    """What could be removed."""

    orphans: tuple[Thing, ...]
    tombstones: tuple[Tombstone, ...]
    spared: tuple[Thing, ...]
    """Orphans with the mark of another state, which may well have an owner."""
    plans: tuple[Plan, ...]
    """How the orphans would go, one plan a stack."""
    held: tuple[Held, ...] = ()
    """Deleted data that an apply which has not ended may need."""


class Cleaned(NamedTuple):
    """What was removed."""

    results: tuple[tuple[Plan, Result], ...]
    tombstones: tuple[Tombstone, ...]
    held: tuple[Held, ...] = ()
    """What was to go, and an apply that began meanwhile may need."""
    others: tuple[Tombstone, ...] = ()
    """What was listed and is other data under the same key by now, which stays."""


def find_orphans(folder: Path) -> list[Orphan]:
    """Look at the whole host for what no record of this state owns."""
    recorded = lookups.read_recorded(folder)
    return orphans_of(recorded, inputs.find_host(folder, recorded))


def orphans_of(recorded: Recorded, host: Hosting) -> list[Orphan]:
    """Look at the whole host for what no record owns."""
    return orphans.find_orphans(recorded, stack_plans.look(host, None))


def find_litter(folder: Path, *, everything: bool, foreign: bool, purge: bool, now: float) -> Litter:
    """Return orphans with the plans that remove them, and deleted data whose time has passed, or all of it."""
    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, None)
    found = orphans.find_orphans(recorded, observed)
    # What has a record that cannot be read is not an orphan, only unknown.
    known = [orphan for orphan in found if orphan.thing.address not in recorded.damaged.get(orphan.thing.stack, {})]
    going = tuple(one.thing for one in known if foreign or not one.foreign)
    buried = dated_tombstones(host, now)
    plans = tuple(
        orphans.plan_removal(
            StackName(stack), [thing for thing in going if thing.stack == stack], recorded, observed, host.host, purge=purge
        )
        for stack in sorted({thing.stack for thing in going})
    )
    sorted_out = held_data.sort_out(folder, buried if everything else expired(buried, now, lost_data.KEEP_SECONDS))
    spared = tuple(orphan.thing for orphan in found if orphan.foreign and not foreign)
    return Litter(going, sorted_out.going, spared, plans, sorted_out.held)


def clean(folder: Path, litter: Litter, how: How) -> Cleaned:
    """Run the plans, then destroy the deleted data."""
    results: list[tuple[Plan, Result]] = []
    for plan in litter.plans:
        stack_plans.refuse_unapplyable(plan)
        with admission.working(folder, Scope(plan.stack), "state gc", plan.id, how) as store:
            recorded = store.recorded()
            admission.require_ended(recorded.unfinished, plan.stack)
            host = inputs.find_host(folder, recorded)
            admission.require_fresh(plan, recorded, host)
            ran = execution.run(plan, store, host, how, recorded, approved=(Approval.DESTROY,))
        results.append((plan, ran.result))
        if ran.result.interrupted:
            return Cleaned(tuple(results), ())
    dropped = destroy_kept(inputs.find_host(folder, lookups.read_recorded(folder)), litter.tombstones, "state gc", how)
    return dropped._replace(results=tuple(results))


def forget_expired(host: Hosting, how: How) -> None:
    """Destroy deleted data whose time has passed, and what imports have left, at the end of an apply: nobody should have to remember it.

    It is not part of what was asked for, so trouble with it is reported and fails nothing.
    """
    try:
        import_folders.sweep(host.context.folder)
        old = expired(dated_tombstones(host, how.clock.now()), how.clock.now(), lost_data.KEEP_SECONDS)
        gone = destroy_kept(host, tuple(old), how.caller.command or "expire", how).tombstones
    except (HerocloudError, OSError) as error:
        how.note(f"deleted data whose time has passed could not be removed: {error}")
        return
    for stone in gone:
        how.note(
            f"the deleted data of `{stone.address}` of stack `{stone.stack}` was kept for "
            f"{sizes.show_duration(lost_data.KEEP_SECONDS)} and is gone now"
        )


def forget_before(host: Hosting, stack: StackName) -> None:
    """Throw away what an apply that is done kept of before; a rest that stays is removed with the next one."""
    from herocloud.providers import registry

    for name in inputs.observing_names(host.context):
        images = registry.find(name).images
        if images is not None:
            with contextlib.suppress(HerocloudError, OSError):
                images.forget_before(host.context.folder, stack)


def expired(tombstones: Iterable[Tombstone], now: float, keep: float) -> list[Tombstone]:
    """Return the tombstones whose time to live, `keep` seconds, has passed; one from the future (the clock was set back) has not."""
    return [stone for stone in tombstones if now - stone.deleted >= keep]


def destroy_kept(host: Hosting, tombstones: tuple[Tombstone, ...], operation: str, how: How) -> Cleaned:
    """Destroy deleted data, but for what an apply may need that has not ended, and what is not that data any more."""
    if not tombstones:
        return Cleaned((), ())
    dropped: list[Tombstone] = []
    with admission.locked(host.context.folder, HOST, operation, None, how):
        # Keys recur where data came back and was deleted again since it was listed.
        there = {stone.key: stone for stone in kept_data.list_tombstones(host)}
        others = tuple(stone for stone in tombstones if stone.key in there and not _is_same(stone, there[stone.key]))
        going, held = held_data.sort_out(host.context.folder, (stone for stone in tombstones if stone not in others))
        for keeper in kept_data.open_keepers(host) if going else ():
            dropped += [stone for stone in going if keeper.drop_tombstone(stone.key)]
    return Cleaned((), tuple(dropped), held, others)


def _is_same(listed: Tombstone, now: Tombstone) -> bool:
    """Return whether a tombstone is the one that was listed, whose time may have been put right, to a later one."""
    return now._replace(deleted=listed.deleted) == listed and now.deleted <= listed.deleted


def dated_tombstones(host: Hosting, now: float) -> list[Tombstone]:
    """List deleted data with the times at which it was deleted by a clock that is right."""
    return deletion_times.correct(host.context.folder, kept_data.list_tombstones(host), now)


def plan_adopt(folder: Path, address: str, stack: str | None, given: Sources) -> Planned:
    """Plan to adopt one orphan: as it was last recorded here, or else as the stack file asks for it.

    The record comes first because it holds what was decided for this very thing: its sid, its MACs, its paths.
    """
    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, None)
    thing = _find_orphan([orphan.thing for orphan in orphans.find_orphans(recorded, observed)], address, stack)
    recorded = stack_plans.remember(recorded, observed, host)
    lost = recorded.lost.get(thing.stack, {}).get(thing.address)
    host = stack_plans.with_recorded_keys(host, thing.stack, {thing.address: lost} if lost is not None else {}, recorded)
    plan = orphans.plan_adoption(thing.stack, [thing], recorded, observed, host.host)
    if any(diagnostic.code == "never-recorded" for diagnostic in plan.diagnostics):
        by_file = _from_file(folder, thing, given, host)
        if by_file is not None:
            return by_file
    return stack_plans.without_file(plan, recorded, observed, host)


def _find_orphan(things: list[Thing], address: str, stack: str | None) -> Thing:
    found = [thing for thing in things if address in (thing.address, thing.address.partition(".")[2]) and stack in (None, thing.stack)]
    if len(found) == 1:
        return found[0]
    if found:
        owners = ", ".join(f"`{thing.stack}`" for thing in found)
        raise Refused(
            [
                Diagnostic(
                    "ambiguous",
                    "The address is not unique",
                    f"There are orphans `{address}` of {owners}.",
                    hint="name one with `--stack NAME`",
                )
            ]
        )
    close = nearest.nearest(address, [thing.address for thing in things])
    hint = f"did you mean `{close}`?" if close else "`herocloud state orphans` lists them"
    raise Refused([Diagnostic("no-orphan", "No such orphan", f"Nothing without a record carries our mark as `{address}`.", hint=hint)])


def _from_file(folder: Path, thing: Thing, given: Sources, host: Hosting) -> Planned | None:
    """Plan with the stack file, when there is one of this stack that asks for the orphan."""
    if inputs.name_of_stack(folder, given) != thing.stack:
        return None
    loaded = inputs.load(folder, given, host.host)
    if loaded.desired is None or all(resource.address != thing.address for resource in loaded.desired.resources):
        return None
    asked = stack_plans.Asked(PlanOptions(target=(thing.address,), operation="adopt"))
    return stack_plans.plan_desired(loaded.desired, lookups.read_recorded(folder), host, asked, notes=loaded.diagnostics)
