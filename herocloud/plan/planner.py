"""The entrance for stacks: `plan(desired, recorded, observed, host, options)`.

It reads like the life of a plan: follow renames, choose providers, decide every value, decide what happens at each address, and then
what every plan goes through: `finish` orders the steps, proves that they fit, and writes down what all of it relies on.
"""

from collections.abc import Collection, Iterable, Mapping

from herocloud.kits.jsons import Json, Spec
from herocloud.kits.shared_values import MadeLately
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import PARALLELISM, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource, Thing
from herocloud.plan import (
    assignment,
    capacity,
    diagnostics,
    differences,
    doubtful_values,
    facts,
    finish,
    half_made,
    lost_files,
    network_handovers,
    network_names,
    order,
    orphan_diagnostics,
    overlay_diagnostics,
    overlay_handovers,
    overpromised,
    reservations,
    rollout,
    scope,
    stray_names,
    targets,
    volume_names,
)
from herocloud.plan.cases import Case
from herocloud.plan.changes import Decider, Decision
from herocloud.plan.draft import Draft, World
from herocloud.plan.scope import Inputs, PlanOptions
from herocloud.plan.spec_values import Valued


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, host: Host, options: PlanOptions) -> Plan:
    """Make the plan that turns what is there into what is desired; see the module's text."""
    made = finish.finish(draft(desired, recorded, observed, host, options))
    if not any(diagnostic.code == "does-not-fit-disk" for diagnostic in made.diagnostics):
        return made
    replaced = [step.address for step in made.steps if step.kind == "disk.prepare"]
    if not replaced:
        return made
    # What has no room beside the old disk may have it in its place.
    alone = draft(desired, recorded, observed, host, options, beside=False)
    found = (*alone.found, diagnostics.not_beside(replaced))
    again = finish.finish(alone._replace(found=found))
    return made if any(diagnostic.code == "does-not-fit-disk" for diagnostic in again.diagnostics) else again


def draft(
    desired: Desired, recorded: Recorded, observed: Observed | None, host: Host, options: PlanOptions, *, beside: bool = True
) -> Draft:
    """Decide everything about a stack but the order of its steps; `beside` tells whether new root disks fit beside the old ones."""
    recorded = reservations.occupied(recorded, desired.stack, () if options.operation in _WHOLE else options.target)
    world = World(recorded, observed, host)
    found: list[Diagnostic] = []
    inputs = scope.gather(desired, recorded, options, found, stray_names.find_named(desired, recorded, observed))
    recorded = recorded._replace(records={**recorded.records, inputs.stack: inputs.records})
    # What is there has its old name until the plan is applied; here everything goes by the new one, or it would be taken for an orphan.
    seen = scope.renamed(observed, inputs)
    strays = stray_names.find(inputs, recorded, seen)
    if seen is not None and strays:
        seen = stray_names.under_their_names(seen, inputs.stack, strays)
    choice = assignment.choose(desired._replace(resources=tuple(inputs.resources.values())), host, options.hypervisor, inputs.records)
    found.extend(diagnostic for diagnostic in choice.found if diagnostic.address is None or diagnostic.address in inputs.allowed)
    if options.operation in ("apply", "destroy"):
        closes = options.destroy and not (options.target or options.exclude)
        own = (apply for apply in recorded.unfinished if apply.stack == inputs.stack)
        found.extend(diagnostics.unfinished_apply(apply, closes=closes) for apply in own)
        found.extend(
            diagnostics.unfinished_elsewhere(apply) for apply in recorded.unfinished if apply.stack != inputs.stack and not apply.alive
        )

    leaving = [(inputs.stack, address) for address in inputs.records if address not in inputs.resources and address in inputs.allowed]
    valued, short, specs = targets.decide_values(inputs, choice, recorded, seen, host, leaving, options, found)
    holders = facts.held_slices(recorded) if short or any(target.new_slices for target in valued.values()) else {}
    if short:
        found.append(capacity.too_few_slices(host, short, len(holders)))
    outputs = _outputs(desired, recorded, specs, options, found)

    counted = overpromised.as_counted(recorded, seen, host, inputs.stack)
    decisions = _decide(inputs, valued, choice.roles, counted, world.observed, seen, host, options, found, strays, beside=beside)
    changes = tuple(decision.change for decision in decisions.values())
    found.extend(_about_changes(changes, inputs, seen.things.get(inputs.stack, {}) if seen is not None else {}))
    found.extend(doubtful_values.find(changes, {address: resource.place for address, resource in inputs.resources.items()}))
    if seen is not None:
        found.extend(lost_files.find(seen.things.get(inputs.stack, {}), decisions, options))
        found.extend(lost_files.find_cut(seen.things.get(inputs.stack, {}), inputs.records, decisions))
    if seen is not None and not options.destroy:
        found.extend(_about_peers(inputs, decisions, seen))
    # What is adopted was counted as filling slices before it had any.
    takers = [target for address, target in valued.items() if address in decisions and not _is_adopted(decisions[address])]
    waits = _waits(decisions, inputs, valued, found)
    return Draft(
        stack=inputs.stack,
        operation="destroy" if options.destroy else options.operation,
        world=world,
        named_after=options._replace(parallelism=PARALLELISM),
        decisions=decisions,
        found=tuple(found),
        outputs=outputs,
        used=capacity.used(counted, seen),
        waits=waits,
        new_slices=tuple(sid for address, target in valued.items() if address in decisions for sid in target.new_slices),
        # Slices that others of this plan hold now come free during the apply; only the rest is drawn from what is free already.
        free_slices=sum(1 for target in takers for sid in target.new_slices if sid not in holders),
        everything=_with_untouched(changes, inputs),
        places={resource.address: resource.place for resource in inputs.resources.values()},
        drift=differences.find_drift(inputs.records, seen if strays else observed) if not inputs.moves else (),
        complete=not (options.target or options.exclude),
        narrow=options.operation not in _WHOLE,
        purge=options.purge,
        parallelism=options.parallelism,
        simulated=choice.simulated,
    )


_WHOLE = ("apply", "destroy", "adopt")
"""Operations that are about a stack and not about one thing of it."""


def _waits(
    decisions: Mapping[Address, Decision], inputs: Inputs, valued: Mapping[Address, Valued], found: list[Diagnostic]
) -> Mapping[StepId, set[StepId]]:
    """Return what steps wait for in other changes: for what they need, for slices that others let go, for their turn."""
    overlay_handovers.break_circles(decisions)
    waits = order.order(decisions, {address: record.needs for address, record in inputs.records.items()})
    order.wait_for_names(decisions, waits)
    network_handovers.wait_for_release(decisions, waits)
    overlay_handovers.wait_for_release(decisions, waits)
    for address, target in valued.items():
        if target.waits and address in decisions:
            _wait_for_slices(decisions[address].steps, target.waits, decisions, waits)
    return rollout.wait_for_turns(decisions, inputs.resources.values(), waits, found)


def _is_adopted(decision: Decision) -> bool:
    return decision.change.before is None and "machine" in (decision.change.parts_before or {})


def _wait_for_slices(
    steps: list[Step], holders: Iterable[Address], decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]
) -> None:
    """Make the first steps of a VM wait until those that hold its slices have let go of them in the state."""
    lasts = {step.id for holder in holders if holder in decisions for step in decisions[holder].steps if step.last}
    for step in steps:
        if not step.needs and lasts:
            waits.setdefault(step.id, set()).update(lasts)


def _with_untouched(changes: tuple[Change, ...], inputs: Inputs) -> tuple[Change, ...]:
    """Add the addresses at which nothing happens, in the order of the stack file; what goes comes last."""
    by_address = {change.address: change for change in changes}
    everything: list[Change] = []
    for address in inputs.resources:
        change = by_address.pop(address, None)
        if change is not None:
            everything.append(change)
        elif address in inputs.records:
            everything.append(_UNTOUCHED.make(_untouched, inputs.records[address]))
    _UNTOUCHED.end_round()
    return (*everything, *by_address.values())


_UNTOUCHED: MadeLately[Change] = MadeLately()
"""Of a record: in a process that stays, few of them differ from one plan to the next."""


def _untouched(record: Record) -> Change:
    return Change(
        address=record.address,
        kind=record.kind,
        action=Action.NO_OP,
        reason=Reason.NONE,
        impact=Impact.NONE,
        provider=record.provider,
        before=record.spec,
        after=record.spec,
        sid=record.sid,
        protect=record.protect,
        needs=record.needs,
    )


def _outputs(
    desired: Desired, recorded: Recorded, specs: Mapping[Address, Spec], options: PlanOptions, found: list[Diagnostic]
) -> Mapping[str, Json]:
    """Answer the outputs; a plan of a part leaves them as they are, because they may name what it leaves out."""
    if options.target or options.exclude:
        return recorded.outputs.get(desired.stack, {})
    if options.destroy:
        return {}
    answered: Mapping[str, Json] = targets.resolve(dict(desired.outputs), specs, "outputs", found)
    return answered


def _decide(
    inputs: Inputs,
    valued: Mapping[Address, Valued],
    roles: Mapping[str, str],
    counted: Recorded,
    before: Observed | None,
    observed: Observed | None,
    host: Host,
    options: PlanOptions,
    found: list[Diagnostic],
    strays: Mapping[Address, Address],
    *,
    beside: bool,
) -> dict[Address, Decision]:
    """Decide address by address; `before` is what was seen under the names that things have until the plan is applied.

    `counted` are the records as they count against the host.
    """
    decider = Decider(found, host)
    decider.volumes = volume_names.owners(inputs.records)
    decider.networks = inputs.networks
    decider.bridges = network_names.bridges(inputs.stack, inputs.resources.values(), inputs.records, inputs.lost)
    decider.made_as = volume_names.made_as(inputs.resources.values(), inputs.records, inputs.lost)
    things = observed.things.get(inputs.stack, {}) if observed else {}
    old_names = before.things.get(inputs.stack, {}) if before else None
    images = {resource.name: resource.spec for resource in inputs.resources.values() if resource.kind == "image"}
    again = scope.select("--replace", options.replace, inputs.resources, []) if options.replace else set()
    decisions: dict[Address, Decision] = {}
    vacated = set(inputs.moves.values())
    removed = sorted((address for address in inputs.records if address not in inputs.resources), key=ids.sort_key, reverse=True)
    for address in (*inputs.resources, *removed):
        if address not in inputs.allowed:
            continue
        record, resource = inputs.records.get(address), inputs.resources.get(address)
        origin = inputs.moves.get(address)
        thing = things.get(address)
        present = record.parts if observed is None and record else thing.parts if thing else {}
        held = counted.records.get(inputs.stack, {}).get(address)
        parts = ids.split_address(address)
        assert parts is not None  # noqa: S101 - addresses come from the loader and the state, which both check them
        case = Case(
            stack=inputs.stack,
            address=address,
            kind=parts.kind,
            name=parts.name,
            resource=resource,
            valued=valued.get(address),
            record=record,
            present=present,
            halves=half_made.parts_of(thing),
            run_by=_run_by(record, thing) if "machine" in present else None,
            roles=assignment.roles_of(record, inputs.records) if resource is None and record else roles,
            counted=held or (counted.lost.get(inputs.stack, {}).get(address) if present else None),
            lost=inputs.lost.get(address),
            image=images.get(resource.spec["image"], {}) if resource and resource.kind == "vm" else {},
            forced=address in again,
            moved_from=origin,
            marked_as=_mark_of(address, origin, old_names, vacated) or strays.get(address),
            purge=options.purge,
            destroy=options.destroy,
            beside=beside,
        )
        decision = decider.decide(case)
        if decision is not None:
            decisions[address] = decision
    return decisions


def _run_by(record: Record | None, thing: Thing | None) -> str | None:
    """Return whose machine it is: the hypervisor that sees it, or that was recorded where nobody looked."""
    if thing is not None:
        return thing.provider
    return str(record.spec["hypervisor"]) if record else None


def _mark_of(
    address: Address, origin: Address | None, old_names: Collection[Address] | None, vacated: Collection[Address]
) -> Address | None:
    """Return the old name that what is there still carries.

    A part that an earlier apply made at the new address, before it came to rename the record, has its name already.
    """
    if origin is None or old_names is None:
        return origin
    return origin if origin in old_names and (address not in old_names or address in vacated) else None


def _about_peers(inputs: Inputs, decisions: Mapping[Address, Decision], observed: Observed) -> list[Diagnostic]:
    """Warn about declared peers without a connection. One that this plan adds has had no chance yet."""
    return [
        overlay_diagnostics.peer_not_connected(address, resource.spec["endpoint"], state, resource.place)
        for address, resource in inputs.resources.items()
        if resource.kind == "peer" and address in inputs.records and address not in decisions
        if (state := observed.peer_states.get(resource.spec["endpoint"], _ALIVE)) != _ALIVE
    ]


_ALIVE = "alive"


def _about_changes(changes: Iterable[Change], inputs: Inputs, things: Mapping[Address, Thing]) -> list[Diagnostic]:
    found = []
    created: list[Resource] = []
    deleted: list[Record] = []
    for change in changes:
        resource = inputs.resources.get(change.address)
        if change.protected:
            found.append(
                diagnostics.protected(
                    change.address, "replaced" if change.action is Action.REPLACE else "deleted", resource.place if resource else None
                )
            )
        interrupts = change.action in (Action.REBOOT, Action.REPLACE)
        if interrupts and change.address in inputs.lost and change.address in things and not half_made.lacking_part(things[change.address]):
            found.append(orphan_diagnostics.adoption_offered(change.address, change.action.value, resource.place if resource else None))
        if change.action is Action.CREATE and change.before is None and resource is not None and change.reason is Reason.NOT_RECORDED:
            created.append(resource)
        elif change.action is Action.DELETE and change.reason is Reason.GONE_FROM_FILE:
            deleted.append(inputs.records[change.address])
    return found + (scope.suspect(created, deleted) if created and deleted else [])
