"""Admission: a plan is let in, apart from what carries it out.

An apply first gets the lock of its stack (or, for a command about one VM, of that VM) and keeps it to the end. Then, still without any
lock that others wait for, it reads the facts of its plan again. Only then comes the lock of the host, for one short transaction: when
nobody was admitted and nothing was edited since the facts were read, the plan is written down with everything that it may come to
hold, and from that moment on every other plan counts it. Otherwise the facts are read again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from herocloud.apply.staleness import Changed
from herocloud.kits import jsons
from herocloud.model.applies import HOST, Pending, Scope
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused, Stale
from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.plans import Fact, Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import kept_data, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting
from herocloud.plan import kept_facts, reservations
from herocloud.plan.lost_data import Kept
from herocloud.state.store import Generation, Store

_OVERLAY_KEY = "overlay-key:"
_SLICE = "slice:"
_LOOKED_AT = ("observed:", _SLICE)


@contextmanager
def working(folder: Path, scope: Scope, operation: str, plan: PlanId | None, how: How) -> Iterator[Store]:
    """Hold the lock of a stack or of a VM, with the state open for writing."""
    from herocloud.state import store

    with locked(folder, scope, operation, plan, how):
        if how.kept is not None:
            with how.kept.borrow() as shared:
                yield shared
            return
        opened = store.open_state(folder, write=True)
        assert opened is not None  # noqa: S101  (opening for writing makes what is not there)
        with opened:
            yield opened


@contextmanager
def locked(folder: Path, scope: Scope, operation: str, plan: PlanId | None, how: How) -> Iterator[None]:
    """Hold one lock."""
    from herocloud.state import locking

    with locking.hold(folder, operation, plan, how.lock_timeout, how.note, scope=scope, cancelled=how.is_cancelled):
        yield


@contextmanager
def editing(folder: Path, stack: StackName, operation: str, how: How) -> Iterator[Store]:
    """Hold the locks of a stack and of the host, to change records of the stack by hand: no apply of it runs then, and none is admitted."""
    with working(folder, Scope(stack), operation, None, how) as store, locked(folder, HOST, operation, None, how):
        yield store


def require_ended(pending: Iterable[Pending], stack: StackName) -> None:
    """Raise while an apply of this stack is unfinished: an edit of records by hand does not ask for the rest of it."""
    from herocloud.operations import unfinished

    cut_off = [apply for apply in pending if apply.stack == stack and not apply.alive]
    if cut_off:
        raise unfinished.refuse(cut_off)


def require_own(plan: Plan, recorded: Recorded) -> None:
    """Raise unless the plan was made for this state; one made before there was any state fits the first."""
    if plan.lineage is None or plan.lineage == recorded.lineage:
        return
    here = f"holds the state `{recorded.lineage}`" if recorded.lineage else "holds no state yet"
    detail = f"The plan was made for the state `{plan.lineage}`, and this data folder {here}."
    raise Refused(
        [
            Diagnostic(
                "foreign-plan",
                "The plan belongs to another state",
                detail,
                hint="plan again here, or give the `--data-dir` that it was made with",
            )
        ]
    )


def look_for(keys: Iterable[str], stack: StackName, host: Hosting) -> Observed | None:
    """Look at the world if any of these facts is about it; an orphan of any stack may hold a slice."""
    wanted = list(keys)
    if not any(key.startswith(_LOOKED_AT) for key in wanted):
        return None
    return stack_plans.look(host, None if any(key.startswith(_SLICE) for key in wanted) else (stack,))


def facts_now(keys: Iterable[str], plan: Plan, recorded: Recorded, host: Hosting) -> Mapping[str, Fact]:
    """Look at these facts of a plan again."""
    wanted = list(keys)
    return facts_of(wanted, plan, recorded, look_for(wanted, plan.stack, host), host)


def facts_of(keys: Sequence[str], plan: Plan, recorded: Recorded, observed: Observed | None, host: Hosting) -> Mapping[str, Fact]:
    """Return these facts of a plan as they are in these records and this look at the world."""
    from herocloud.plan import facts

    stack, touched = plan.stack, {address for change in plan.changing for address in (change.address, change.previous_address) if address}
    taken = stack_plans.remember(reservations.occupied(recorded, stack, touched), observed, host)
    return facts.current_facts(keys, taken, observed, with_overlay_keys(keys, host).host, _kept_for(keys, stack, host), stack)


def with_overlay_keys(keys: Iterable[str], host: Hosting) -> Hosting:
    """Look up the keys of the overlay that these facts are about."""
    return stack_plans.with_keys(host, [jsons.loads(key.removeprefix(_OVERLAY_KEY)) for key in keys if key.startswith(_OVERLAY_KEY)])


def _kept_for(keys: Iterable[str], stack: StackName, host: Hosting) -> list[Kept] | None:
    """Look up the deleted data of a stack if any of these facts is about it."""
    return kept_data.list_kept(host, stack) if any(key.startswith(kept_facts.PREFIX) for key in keys) else None


def is_data_kept(plan: Plan, host: Hosting) -> bool:
    """Return whether all deleted data that a plan brings back is still there; under the lock of the host it stays so until it has begun."""
    relied = [fact for fact in plan.facts if fact.key.startswith(kept_facts.PREFIX)]
    if not relied:
        return True
    kept = kept_data.list_kept(host, plan.stack)
    return all(kept_facts.look_again(fact.key, kept).digest == fact.digest for fact in relied)


def require_fresh(plan: Plan, recorded: Recorded, host: Hosting) -> None:
    """Raise Stale, which names each fact of the plan that changed, field by field."""
    from herocloud.apply import staleness

    keys = [fact.key for fact in plan.facts]
    observed = look_for(keys, plan.stack, host)
    changed = staleness.changed_facts(plan.facts, facts_of(keys, plan, recorded, observed, host))
    if changed:
        raise Stale([_say_changed(plan, fact, recorded, observed) for fact in changed])


def _say_changed(plan: Plan, changed: Changed, recorded: Recorded, observed: Observed | None) -> Diagnostic:
    from herocloud.apply import staleness
    from herocloud.views import phrases, values

    found = staleness.say_changed(changed)
    kind, _, owner = changed.planned.key.partition(":")
    address = Address(owner.partition("/")[2])
    change = next((change for change in plan.changing if address in (change.address, change.previous_address)), None)
    if change is None or kind not in ("record", "observed"):
        return found
    thing = observed.things.get(plan.stack, {}).get(address) if observed is not None else None
    record = recorded.records.get(plan.stack, {}).get(address)
    before, now = (change.before, record and record.spec) if kind == "record" else (change.parts_before, thing and thing.parts)
    if before and not now:
        what = "is not recorded any more" if kind == "record" else "was there when the plan was made, and nothing of it is now"
        return found._replace(detail=f"`{address}` {what} (`{changed.planned.key}`). Plan again; nothing was changed.")
    if now and not before:
        what = (
            "was not recorded when the plan was made, and is now"
            if kind == "record"
            else "was not there when the plan was made, and is now"
        )
        return found._replace(detail=f"`{address}` {what} (`{changed.planned.key}`). Plan again; nothing was changed.")
    if not before or not now:
        return found
    pairs = [
        f"{phrases.field_name(path)} {values.show_pair(path, old, new)}" for path, old, new in phrases.differing(dict(before), dict(now))
    ]
    if not pairs:
        return found
    shown = ", ".join(pairs[:_MOST_FIELDS]) + (f" and {len(pairs) - _MOST_FIELDS} more fields" if len(pairs) > _MOST_FIELDS else "")
    what = "is recorded differently since the plan was made" if kind == "record" else "is not as it was when the plan was made"
    return found._replace(detail=f"`{address}` {what} (`{changed.planned.key}`): {shown}. Plan again; nothing was changed.")


_MOST_FIELDS = 8


def generation_of(recorded: Recorded) -> Generation:
    """Return the generation of the state that these records are from."""
    return Generation(recorded.serial, recorded.slices)


def not_in_place(plan: Plan, recorded: Recorded, observed: Observed) -> list[Address]:
    """Return the addresses at which records and world are not what this plan says they will be."""
    records = recorded.records.get(plan.stack, {})
    things = observed.things.get(plan.stack, {})
    addresses = []
    for change in plan.changing:
        record, thing = records.get(change.address), things.get(change.address)
        parts = dict(thing.parts) if thing else {}
        if change.after is None:
            fine = record is None and not parts
        else:
            fine = record is not None and record.complete and record.spec == change.after and dict(record.parts) == parts
        if not fine:
            addresses.append(change.address)
    return addresses
