"""Looking again at what a plan relies on; `apply.checking` says what a change of it means."""

from collections.abc import Iterable, Mapping

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Fact, Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import planning
from herocloud.operations.hosting import Hosting

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
    return planning.look(host, (stack,)) if any(key.startswith(_LOOKED_AT) for key in keys) else None


def facts_now(keys: Iterable[str], stack: StackName, recorded: Recorded, host: Hosting) -> Mapping[str, Fact]:
    """Look at these facts again."""
    from herocloud.plan import facts

    wanted = list(keys)
    return facts.current_facts(wanted, recorded, look_for(wanted, stack, host), host.host)


def require_fresh(plan: Plan, recorded: Recorded, host: Hosting) -> None:
    """Raise Stale, which names each fact of the plan that changed."""
    from herocloud.apply import checking

    checking.refuse_stale(plan, facts_now([fact.key for fact in plan.facts], plan.stack, recorded, host))


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
