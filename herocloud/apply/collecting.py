"""Orphans and tombstones: what is on the host, carries our mark, and no record owns.

Both ways out are plans like any other, shown before they run: `gc` deletes orphans, `adopt` records them again from the last record that
the history has of them. An orphan that was never recorded is adopted by planning a stack file that asks for it, because only that
says what it is meant to be.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import STATE_PROVIDER, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import choosing, compiling, completing, facts, fitting, ordering
from herocloud.plan.compiling import Use
from herocloud.providers import registry
from herocloud.providers.seam import Tombstone


class Orphan(NamedTuple):
    """Something that no record owns."""

    thing: Thing
    foreign: bool
    """True when the mark names another state: it may be in use there, so nothing here touches it."""


def find_orphans(recorded: Recorded, observed: Observed) -> list[Orphan]:
    """Return everything that carries a mark of ours and that no record owns, in the order in which people read addresses."""
    found = [
        Orphan(thing, foreign=thing.lineage is not None and thing.lineage != recorded.lineage)
        for stack, things in observed.things.items()
        for address, thing in things.items()
        if thing.parts and address not in recorded.records.get(stack, {})
    ]
    return sorted(found, key=lambda orphan: (orphan.thing.stack, ids.sort_key(orphan.thing.address)))


def plan_removal(stack: StackName, things: Collection[Thing], recorded: Recorded, observed: Observed, host: Host, *, purge: bool) -> Plan:
    """Return the plan that deletes orphans of one stack; their data goes into tombstones unless `purge`."""
    changes: list[Change] = []
    steps: list[Step] = []
    waits: dict[StepId, set[StepId]] = {}
    networks = choosing.networks_of(recorded.records.get(stack, {}), observed.things.get(stack, {}))
    for thing in things:
        kind = thing.address.partition(".")[0]
        seq = compiling.Sequence(thing.address, _providers_of(thing, kind, networks))
        if kind == "vm":
            compiling.compile_removal(seq, thing.parts, Use(), gives_disk=False)
        else:
            compiling.compile_plain(seq, kind, thing.parts, None)
        made = [step._replace(gives=Step._field_defaults["gives"]) for step in seq.finish()]
        data = any(step.kind in ("disk.delete", "volume.delete") for step in made)
        impact = Impact.DATA if data else Impact.REPLACE
        changes.append(_change(thing, Action.DELETE, Reason.GONE_FROM_FILE, impact, None, note="carries our mark, and no record owns it"))
        steps += made
    # What a VM may hold on to goes after every VM: nobody recorded which of them it was.
    machines = {step.id for step in steps if step.address.startswith("vm.") and step.last}
    for step in steps:
        if not step.address.startswith("vm.") and machines:
            waits[step.id] = set(machines)
    return _plan("gc", stack, changes, steps, waits, recorded, observed, host, [])._replace(purge=purge)


def plan_adoption(
    stack: StackName,
    things: Collection[Thing],
    last_record: Callable[[Address], Record | None],
    recorded: Recorded,
    observed: Observed,
    host: Host,
) -> Plan:
    """Return the plan that records orphans of one stack again, as they were last recorded; `last_record` looks into the history."""
    found: list[Diagnostic] = []
    changes: list[Change] = []
    steps: list[Step] = []
    slices, sids = facts.slice_holders(recorded), facts.sid_holders(recorded)
    for thing in things:
        record = last_record(thing.address)
        if record is None:
            found.append(_never_recorded(thing))
            continue
        wanted = record.spec.get("slices") or ()
        found += [_held(thing.address, f"slice `{sid}`", slices[sid]) for sid in wanted if sid in slices]
        if record.sid in sids:
            found.append(_held(thing.address, f"the sid `{record.sid}`", sids[record.sid or ""]))
        changes.append(_change(thing, Action.ADOPT, Reason.ADOPTED, Impact.LIVE, record))
        name = StepId(f"{thing.address}/record.write")
        claim = fitting.claim_of(record)
        steps.append(Step(name, thing.address, "record.write", STATE_PROVIDER, "record", None, None, takes=claim, last=True))
    return _plan("adopt", stack, changes, steps, {}, recorded, observed, host, found)


def last_record_in(
    versions: Iterable[Mapping[StackName, Mapping[Address, Record]]], stack: StackName
) -> Callable[[Address], Record | None]:
    """Return a look-up in the records of older serials, newest first; they are read one by one, only as far as needed."""
    read: list[Mapping[Address, Record]] = []
    more = iter(versions)

    def look(address: Address) -> Record | None:
        for records in read:
            if address in records:
                return records[address]
        for version in more:
            read.append(version.get(stack, {}))
            if address in read[-1]:
                return read[-1][address]
        return None

    return look


def expired(tombstones: Iterable[Tombstone], now: float, keep: float) -> list[Tombstone]:
    """Return the tombstones whose time to live, `keep` seconds, has passed; one from the future (the clock was set back) has not."""
    return [one for one in tombstones if now - one.deleted >= keep]


def _change(thing: Thing, action: Action, reason: Reason, impact: Impact, record: Record | None, note: str = "") -> Change:
    return Change(
        address=thing.address,
        kind=thing.address.partition(".")[0],
        action=action,
        reason=reason,
        impact=impact,
        provider=record.provider if record else thing.provider,
        before=None,
        after=record.spec if record else None,
        sid=record.sid if record else None,
        protect=record.protect if record else False,
        needs=record.needs if record else (),
        note=note,
        parts_before=thing.parts,
    )


def _providers_of(thing: Thing, kind: str, networks: str) -> dict[str, str]:
    if registry.is_simulated(thing.provider):
        return {**registry.simulated_roles(), "hypervisor": thing.provider}
    roles = {**registry.usual_roles(), "network": networks}
    return {**roles, "hypervisor": thing.provider} if kind == "vm" else roles


def _plan(
    operation: str,
    stack: StackName,
    changes: Sequence[Change],
    steps: list[Step],
    waits: dict[StepId, set[StepId]],
    recorded: Recorded,
    observed: Observed,
    host: Host,
    found: list[Diagnostic],
) -> Plan:
    steps = ordering.sort_steps(steps, waits)
    # What is adopted is claimed by its step, so it must not count as an orphan beside that.
    adopted = {change.address for change in changes if change.action is Action.ADOPT}
    things = {address: thing for address, thing in observed.things.get(stack, {}).items() if address not in adopted}
    others = observed._replace(things={**observed.things, stack: things})
    proof = fitting.prove(steps, waits, fitting.used(recorded, others), host, stack, sum(step.takes.slices for step in steps))
    for taker, givers in proof.waits.items():
        waits.setdefault(taker, set()).update(givers)
    new_slices = [sid for change in changes for sid in (change.after or {}).get("slices") or ()]
    plan_facts = facts.gather(stack, changes, new_slices, proof.drawn, recorded, observed, host)
    steps = completing.complete_steps(steps, waits, plan_facts, stack)
    outputs = recorded.outputs.get(stack, {})
    return Plan(
        id=PlanId(jsons.digest([operation, stack, [[fact.key, fact.digest] for fact in plan_facts]])),
        stack=stack,
        operation=operation,
        lineage=recorded.lineage,
        host=host.name,
        changes=tuple(changes),
        steps=tuple(steps),
        capacity=proof.capacity,
        facts=plan_facts,
        diagnostics=(*found, *proof.found),
        outputs=outputs,
        outputs_before=outputs,
        complete=False,
        slices_free=len(host.slices) - proof.capacity.slices.before,
        slices_total=len(host.slices),
        simulated=host.simulated,
        critical_seconds=ordering.critical_seconds(steps),
    )


def _never_recorded(thing: Thing) -> Diagnostic:
    detail = (
        f"The history has no record of `{thing.address}` in stack `{thing.stack}`, so nothing says what it is meant to be. "
        "Put it into a stack file and apply: what is there already is then adopted."
    )
    return Diagnostic("never-recorded", "The orphan was never recorded", detail, address=thing.address)


def _held(address: Address, what: str, holder: str) -> Diagnostic:
    detail = f"`{address}` had {what}, which `{holder}` holds by now. Free it there first, or delete the orphan with `herocloud state gc`."
    return Diagnostic("adopt-taken", "What the orphan had was given to somebody else", detail, address=address)
