"""The entrance for orphans: what is on the host, carries our mark, and no record owns.

Both ways out are plans like any other, shown before they run: `gc` deletes orphans, `adopt` records them again from the last record that
the history has of them. An orphan that was never recorded is adopted by planning a stack file that asks for it, because only that
says what it is meant to be.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import KINDS, NOTHING, RECORD_WRITE, STATE_PROVIDER, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import assignment, beside, capacity, facts, finish, half_made, overpromised, reservations, step_compiler
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.step_compiler import Use
from herocloud.plan.step_sequence import StepSequence
from herocloud.providers import registry


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
        if (thing.parts or half_made.parts_of(thing)) and address not in recorded.records.get(stack, {})
    ]
    return sorted(found, key=lambda orphan: (orphan.thing.stack, ids.sort_key(orphan.thing.address)))


def plan_removal(stack: StackName, things: Collection[Thing], recorded: Recorded, observed: Observed, host: Host, *, purge: bool) -> Plan:
    """Return the plan that deletes orphans of one stack; their data goes into tombstones unless `purge`."""
    recorded = reservations.occupied(recorded, stack)
    decisions: dict[Address, Decision] = {}
    networks = assignment.networks_of(recorded.records.get(stack, {}), observed.things.get(stack, {}))
    for thing in things:
        kind = thing.address.partition(".")[0]
        seq = StepSequence(thing.address, _providers_of(thing, kind, networks))
        if kind == "vm":
            halves = half_made.parts_of(thing)
            beside.prepare(seq, thing.parts, {}, halves=halves)
            step_compiler.compile_removal(seq, thing.parts, Use(), gives_disk=False, halves=halves)
        else:
            step_compiler.compile_plain(seq, kind, thing.parts, None, half_made.parts_of(thing))
        steps = [step._replace(gives=NOTHING) for step in seq.finish()]
        data = any(KINDS[step.kind].destroys_data for step in steps)
        impact = Impact.DATA if data else Impact.REPLACE
        note = "carries our mark, and no record owns it" + ("" if thing.parts else "; half made")
        decisions[thing.address] = Decision(_change(thing, Action.DELETE, Reason.GONE_FROM_FILE, impact, None, note=note), steps)
    # What a VM may hold on to goes after every VM: nobody recorded which of them it was.
    everything = [step for decision in decisions.values() for step in decision.steps]
    machines = {step.id for step in everything if step.address.startswith("vm.") and step.last}
    waits = {step.id: machines for step in everything if machines and not step.address.startswith("vm.")}
    draft = _draft("gc", stack, decisions, recorded, observed, host)
    return finish.finish(draft._replace(waits=waits, complete=False, purge=purge))


def plan_adoption(stack: StackName, things: Collection[Thing], recorded: Recorded, observed: Observed, host: Host) -> Plan:
    """Return the plan that records orphans of one stack again, as they were last recorded."""
    diagnostics: list[Diagnostic] = []
    decisions: dict[Address, Decision] = {}
    recorded = reservations.occupied(recorded, stack)
    slices, sids = facts.slice_holders(recorded), facts.sid_holders(recorded)
    for thing in things:
        record = recorded.lost.get(stack, {}).get(thing.address)
        if lacking := half_made.lacking_part(thing):
            diagnostics.append(_half_made(thing, lacking))
            continue
        if record is None:
            diagnostics.append(_never_recorded(thing))
            continue
        wanted = record.spec.get("slices") or ()
        diagnostics += [_held(thing.address, f"slice `{sid}`", slices[sid]) for sid in wanted if sid in slices]
        if record.sid in sids:
            diagnostics.append(_held(thing.address, f"the sid `{record.sid}`", sids[record.sid or ""]))
        # It fills the host already, and is counted as it was last recorded: with a record and without one.
        name = StepId(f"{thing.address}/{RECORD_WRITE}")
        # What is off although it ran, or waits for the rest of its apply, is not what its record asks for: the next plan has to see that.
        parts = dict(record.parts if record.complete else thing.parts)
        step = Step(name, thing.address, RECORD_WRITE, STATE_PROVIDER, "record", None, parts, last=True)
        decisions[thing.address] = Decision(_change(thing, Action.ADOPT, Reason.ADOPTED, Impact.LIVE, record), [step])
    return finish.finish(_draft("adopt", stack, decisions, recorded, observed, host, diagnostics))


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
        complete=record.complete if record else True,
    )


def _providers_of(thing: Thing, kind: str, networks: str) -> dict[str, str]:
    if registry.is_simulated(thing.provider):
        return {**registry.simulated_roles(), "hypervisor": thing.provider}
    roles = {**registry.usual_roles(), "network": networks}
    return {**roles, "hypervisor": thing.provider} if kind == "vm" else roles


def _draft(
    operation: str,
    stack: StackName,
    decisions: dict[Address, Decision],
    recorded: Recorded,
    observed: Observed,
    host: Host,
    diagnostics: Sequence[Diagnostic] = (),
) -> Draft:
    changes = [decision.change for decision in decisions.values()]
    return Draft(
        stack=stack,
        operation=operation,
        world=World(recorded, observed, host),
        named_after=[operation, stack],
        decisions=decisions,
        found=tuple(diagnostics),
        outputs=recorded.outputs.get(stack, {}),
        used=capacity.used(overpromised.as_counted(recorded, observed, host, stack), observed),
        new_slices=tuple(sid for change in changes for sid in (change.after or {}).get("slices") or ()),
        narrow=True,
        simulated=host.simulated,
    )


def _half_made(thing: Thing, part: str) -> Diagnostic:
    state = "is only half made" if part in half_made.parts_of(thing) else "is not there"
    detail = f"The {part} of `{thing.address}` in stack `{thing.stack}` {state}, and adopting makes nothing: it only writes records."
    hint = "`herocloud apply` with a file that asks for it takes over what is there and makes the rest; `herocloud state gc` removes it"
    return Diagnostic("adopt-half-made", "The orphan is not whole", detail, address=thing.address, hint=hint)


def _never_recorded(thing: Thing) -> Diagnostic:
    detail = (
        f"The history has no record of `{thing.address}` in stack `{thing.stack}`, so nothing says what it is meant to be. "
        "Put it into a stack file and apply: what is there already is then adopted."
    )
    return Diagnostic("never-recorded", "The orphan was never recorded", detail, address=thing.address)


def _held(address: Address, what: str, holder: str) -> Diagnostic:
    detail = f"`{address}` had {what}, which `{holder}` holds by now. Free it there first, or delete the orphan with `herocloud state gc`."
    return Diagnostic("adopt-taken", "What the orphan had was given to somebody else", detail, address=address)
