"""Execution: what apply, resume, undo and every imperative command share once they hold the lock of their stack or VM."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from herocloud.model.applies import HOST, Begun, Pending, Scope
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Fact, Plan
from herocloud.model.steps import FETCH
from herocloud.model.words import Approval
from herocloud.model.worlds import Record, Recorded
from herocloud.operations import admission, inputs, kept_data, way_back
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting
from herocloud.plan import reservations
from herocloud.state import high_water, locking, reserve
from herocloud.state.store import Grant, Moved, Store

if TYPE_CHECKING:
    from herocloud.providers.drivers import Drivers


class Ran(NamedTuple):
    """An apply that ran."""

    number: int
    result: Result


def run(
    plan: Plan,
    store: Store,
    host: Hosting,
    how: How,
    recorded: Recorded,
    *,
    approved: Collection[Approval],
    address: Address | None = None,
    undoes: PlanId | None = None,
) -> Ran:
    """Admit a plan whose facts were read with `recorded`, and execute it; `undoes` names the plan that it takes back.

    Raises `Moved`, with nothing changed, when somebody else was admitted, edited records or destroyed the data that it brings back since.
    """
    from herocloud.apply import executor

    records: Mapping[Address, Record] = dict(recorded.records.get(plan.stack, {}))
    drivers = _open_drivers(_with_image_room(host, plan), how)
    _keep_reserve(store.folder, host)
    try:
        with _told_how_to_go_on(store.folder, store, None):
            opened = executor.make_ready(plan, store, drivers)
        grant = Grant(how.caller, frozenset(approved), address, reservations.reserve(plan, records))
        prepared = store.prepare(plan, grant)
        locking.name_plan(store.folder, Scope(plan.stack, address), plan.id)
        with how.interrupts as interrupts, _told_how_to_go_on(store.folder, store, None):
            if recorded.behind:
                # What only the marks know so far: the next serial begins above them.
                high_water.raise_to(store.folder, store.lineage, recorded.serial + recorded.behind)
            with admission.locked(store.folder, HOST, plan.operation, plan.id, how):
                if not admission.is_data_kept(plan, host):
                    raise Moved
                number = store.begin(plan, how.clock.now(), undoes, prepared=prepared, expecting=admission.generation_of(recorded))
            with how.watch(plan, (), Begun(number)) as tell, _told_how_to_go_on(store.folder, store, number):
                result = executor.carry_out(
                    plan,
                    store,
                    number,
                    opened,
                    records,
                    options=how.options,
                    tell=tell,
                    clock=how.clock,
                    interrupts=interrupts,
                    kept=lambda: kept_data.list_kept(host, plan.stack),
                )
    finally:
        drivers.close()
        _keep_reserve(store.folder, host)
    return Ran(number, way_back.ask(store.folder, number, result))


def go_on(store: Store, pending: Pending, how: How, *, rollback: bool, approved: Collection[Approval]) -> Ran:
    """Finish an apply that did not end, or take it back; the caller holds the lock of its stack."""
    from herocloud.apply import executor

    unfinished = store.unfinished(pending.number)
    assert unfinished is not None  # noqa: S101  (looked at under the lock)
    recorded = store.recorded()
    host = inputs.find_host(store.folder, recorded, how.environment)

    def facts_here(keys: Iterable[str]) -> Mapping[str, Fact]:
        now = store.recorded()
        others = tuple(apply for apply in now.unfinished if apply.number != pending.number)
        return admission.facts_now(keys, unfinished.plan, now._replace(unfinished=others), host)

    finished = [step for step, state in unfinished.states.items() if state == "done"]
    drivers = _open_drivers(host, how)
    try:
        with how.interrupts as interrupts, _told_how_to_go_on(store.folder, store, pending.number):
            store.take_over(pending.number, Grant(how.caller, frozenset(approved)))
            with how.watch(unfinished.plan, finished, Begun(pending.number)) as tell:
                result = executor.resume(
                    store,
                    drivers,
                    options=how.options,
                    tell=tell,
                    clock=how.clock,
                    interrupts=interrupts,
                    rollback=rollback,
                    facts=facts_here,
                    apply=pending.number,
                    records=recorded.records.get(unfinished.plan.stack, {}),
                    kept=lambda: kept_data.list_kept(host, unfinished.plan.stack),
                )
    finally:
        drivers.close()
        _keep_reserve(store.folder, host)
    return Ran(pending.number, way_back.ask(store.folder, pending.number, result))


def give_up(store: Store, pending: Pending, how: How, *, keeps: bool) -> Result:
    """Close an apply that did not end, because all that it has made is removed next; the caller holds the lock of its stack.

    `keeps` says that the data of what is removed next is kept.

    What was approved for the removal does not approve the apply: cut off, the closing leaves it as it was approved before.
    """
    from herocloud.apply import executor, inspection
    from herocloud.plan import annotation

    unfinished = store.unfinished(pending.number)
    assert unfinished is not None  # noqa: S101  (looked at under the lock)
    host = inputs.find_host(store.folder, store.recorded(), how.environment)
    drivers = _open_drivers(host, how)
    # Nothing but what is under way is touched, so nothing else counts for those who watch.
    shown = annotation.with_steps_only(unfinished.plan, inspection.open_steps(unfinished.plan, unfinished.states))
    try:
        with (
            how.interrupts as interrupts,
            _told_how_to_go_on(store.folder, store, pending.number),
            how.watch(shown, (), Begun(pending.number, closes=True)) as tell,
        ):
            locking.name_plan(store.folder, Scope(pending.stack), pending.plan)
            store.take_over(pending.number, Grant(how.caller), closing=True)
            return executor.give_up(
                store, drivers, pending.number, keeps=keeps, options=how.options, tell=tell, clock=how.clock, interrupts=interrupts
            )
    finally:
        drivers.close()


def _with_image_room(host: Hosting, plan: Plan) -> Hosting:
    """Leave to images what the plan does not promise to others, beside what it counts for them already."""
    level = plan.capacity.disk
    if host.host.simulated or level.limit is None:
        return host
    counted = sum(step.takes.disk for step in plan.steps if step.kind == FETCH)
    known = host.host._replace(image_room=max(0, level.limit - level.peak) + counted)
    return host._replace(host=known, context=host.context._replace(host=known))


def _keep_reserve(folder: Path, host: Hosting) -> None:
    """Keep room for the state where guests could fill the disk; those of a simulated host cannot."""
    if not host.host.simulated:
        reserve.keep(folder)


def _open_drivers(host: Hosting, how: How) -> "Drivers":
    from herocloud.providers.drivers import Drivers

    return Drivers(inputs.with_accelerator(host, how.accelerator).context._replace(environment=how.environment))


@contextmanager
def _told_how_to_go_on(folder: Path, store: Store, number: int | None) -> Iterator[None]:
    """Turn a failure of the operating system inside of an apply into what to do about it.

    The state tells its own failures; this is about the rest, which would leave a person with the words of `errno` alone.
    """
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, (str, bytes)) else folder
        what = f"`{os.fsdecode(name)}` could not be written: {error.strerror or error}."
        if number is None or store.unfinished(number) is None:
            raise Refused([Diagnostic("apply-cut-off", "The apply could not begin", f"{what} Nothing was changed.")]) from error
        hint = "remove the cause, then `herocloud resume` goes on; `herocloud resume --rollback` takes back what was done"
        detail = f"{what} What is recorded is safe, and the apply is not finished."
        raise Refused([Diagnostic("apply-cut-off", "The apply could not go on", detail, hint=hint)]) from error
