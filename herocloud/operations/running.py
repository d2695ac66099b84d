"""Running a plan under the lock, after a second look at what it relies on.

Looking again at what a plan relies on; `apply.staleness` says what a change of it means.

Running a plan under the lock: what apply, resume, undo and every imperative command share.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Fact, Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import inputs, stack_plans
from herocloud.operations.inputs import Hosting
from herocloud.state.store import Store, Unfinished

if TYPE_CHECKING:
    from herocloud.apply.steering import Options

_LOOKED_AT = ("observed:", "overlay-subnet")


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
    """Look at the world if any of these facts is about it."""
    return stack_plans.look(host, (stack,)) if any(key.startswith(_LOOKED_AT) for key in keys) else None


def facts_now(keys: Iterable[str], stack: StackName, recorded: Recorded, host: Hosting) -> Mapping[str, Fact]:
    """Look at these facts again."""
    from herocloud.plan import facts

    wanted = list(keys)
    return facts.current_facts(wanted, recorded, look_for(wanted, stack, host), host.host)


def require_fresh(plan: Plan, recorded: Recorded, host: Hosting) -> None:
    """Raise Stale, which names each fact of the plan that changed."""
    from herocloud.apply import staleness

    staleness.refuse_stale(plan, facts_now([fact.key for fact in plan.facts], plan.stack, recorded, host))


def not_in_place(plan: Plan, recorded: Recorded, observed: Observed) -> list[Address]:
    """Return the addresses at which records and world are not what this plan says they will be."""
    records = recorded.records.get(plan.stack, {})
    things = observed.things.get(plan.stack, {})
    found = []
    for change in plan.changing:
        record, thing = records.get(change.address), things.get(change.address)
        parts = dict(thing.parts) if thing else {}
        if change.after is None:
            fine = record is None and not parts
        else:
            fine = record is not None and record.complete and record.spec == change.after and dict(record.parts) == parts
        if not fine:
            found.append(change.address)
    return found


Tell = Callable[[Event], None]
Watch = Callable[[Plan, Collection[StepId]], AbstractContextManager[Tell]]
"""Opened for each apply that runs, with the steps that an earlier run finished; gives the listener of its events."""


class How(NamedTuple):
    """How to run: the executor's options, and how to wait and talk."""

    options: "Options"
    watch: Watch
    lock_timeout: float = 30.0
    note: Callable[[str], None] = lambda _text: None
    accelerator: str | None = None
    """What guests that are booted run on, `kvm`, `tcg` or `auto`; nothing leaves it to the host file."""


class Recovered(NamedTuple):
    """An unfinished apply that was gone on with."""

    plan: Plan
    result: Result


@contextmanager
def writing(folder: Path, operation: str, plan: PlanId | None, how: How) -> Iterator[Store]:
    """Hold the lock with the state open for writing."""
    from herocloud.state import locking, store

    with locking.hold(folder, operation, plan, how.lock_timeout, how.note):
        opened = store.open_state(folder, write=True)
        assert opened is not None  # noqa: S101  (opening for writing makes what is not there)
        with opened:
            yield opened


def require_ended(unfinished: Unfinished | str | None) -> None:
    """Raise while an apply is unfinished: who changes records by hand did not ask for the rest of it."""
    if unfinished is None:
        return
    plan = unfinished if isinstance(unfinished, str) else unfinished.plan.id
    detail = f"The apply of plan `{plan}` did not end, and its steps name the records as they are."
    raise Refused([Diagnostic("unfinished-apply", "An earlier apply is not finished", detail, hint="`herocloud resume` finishes it")])


def run(plan: Plan, store: Store, host: Hosting, how: How, undoes: PlanId | None = None) -> Result:
    """Execute a plan that was checked and approved; `undoes` names the plan that it takes back."""
    from herocloud.apply import executor
    from herocloud.providers.drivers import Drivers

    if store.recorded().slices < len(host.host.slices):
        store.grow_slices(len(host.host.slices))
    drivers = Drivers(inputs.with_accelerator(host, how.accelerator).context)
    try:
        with how.watch(plan, ()) as tell, _told_how_to_go_on(store.folder, store):
            return executor.execute(plan, store, drivers, options=how.options, tell=tell, undoes=undoes)
    finally:
        drivers.close()


@contextmanager
def _told_how_to_go_on(folder: Path, store: Store) -> Iterator[None]:
    """Turn a failure of the operating system inside of an apply into what to do about it.

    The state tells its own failures; this is about the rest, which would leave a person with the words of `errno` alone.
    """
    try:
        yield
    except OSError as error:
        name = error.filename if isinstance(error.filename, (str, bytes)) else folder
        what = f"`{os.fsdecode(name)}` could not be written: {error.strerror or error}."
        if store.unfinished() is None:
            raise Refused([Diagnostic("apply-cut-off", "The apply could not begin", f"{what} Nothing was changed.")]) from error
        hint = "remove the cause, then `herocloud resume` goes on; `herocloud resume --rollback` takes back what was done"
        detail = f"{what} What is recorded is safe, and the apply is not finished."
        raise Refused([Diagnostic("apply-cut-off", "The apply could not go on", detail, hint=hint)]) from error


def recover(folder: Path, store: Store, how: How, *, rollback: bool = False) -> Recovered | None:
    """Go on with an unfinished apply, forward or back; nothing when there is none."""
    from herocloud.apply import executor
    from herocloud.providers.drivers import Drivers

    unfinished = store.unfinished()
    if unfinished is None:
        return None
    host = inputs.find_host(folder, store.recorded())

    def facts_here(keys: Iterable[str]) -> Mapping[str, Fact]:
        return facts_now(keys, unfinished.plan.stack, store.recorded(), host)

    finished = [step for step, state in unfinished.states.items() if state == "done"]
    drivers = Drivers(inputs.with_accelerator(host, how.accelerator).context)
    try:
        with how.watch(unfinished.plan, finished) as tell, _told_how_to_go_on(folder, store):
            result = executor.resume(store, drivers, options=how.options, tell=tell, rollback=rollback, facts=facts_here)
    finally:
        drivers.close()
    return Recovered(unfinished.plan, result)
