"""The planner's one entrance: `plan(desired, recorded, observed, host, options)`.

It reads like the life of a plan: follow renames, choose providers, decide every value, decide what happens at each address, order
the steps, prove that they fit, and write down what all of it relies on.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Spec
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Reason
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.plan import choosing, clashing, completing, diffing, facts, fitting, gathering, ordering, reservations, saying, targets
from herocloud.plan.deciding import Case, Decider, Decision
from herocloud.plan.gathering import Inputs, PlanOptions
from herocloud.plan.valuing import Valued


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, host: Host, options: PlanOptions) -> Plan:
    """Make the plan that turns what is there into what is desired; see the module's text."""
    found: list[Diagnostic] = []
    recorded = reservations.occupied(recorded, desired.stack)
    inputs = gathering.gather(desired, recorded, options, found)
    recorded = recorded._replace(records={**recorded.records, inputs.stack: inputs.records})
    # What is there has its old name until the plan is applied; here everything goes by the new one, or it would be taken for an orphan.
    seen = gathering.renamed(observed, inputs)
    choice = choosing.choose(desired._replace(resources=tuple(inputs.resources.values())), host, options.hypervisor, inputs.records)
    found.extend(one for one in choice.found if one.address is None or one.address in inputs.allowed)
    unfinished = tuple(one for one in recorded.unfinished if one.stack == inputs.stack)
    if options.operation in ("apply", "destroy"):
        found.extend(saying.unfinished_apply(one) for one in unfinished)
        found.extend(saying.unfinished_elsewhere(one) for one in recorded.unfinished if one.stack != inputs.stack and not one.alive)

    leaving = [(inputs.stack, address) for address in inputs.records if address not in inputs.resources and address in inputs.allowed]
    valued, short, specs = targets.decide_values(inputs, choice, recorded, seen, host, leaving, options, found)
    if short:
        found.append(fitting.too_few_slices(host, short, len(facts.slice_holders(recorded))))
    outputs = _outputs(desired, recorded, specs, options, found)

    decisions = _decide(inputs, valued, choice.roles, seen, host, options, found)
    steps = [step for decision in decisions.values() for step in decision.steps]
    steps, waits, proof = completing.order_and_prove(steps, decisions, inputs, valued, recorded, seen, host, found)
    found.extend(proof.found)
    changes = tuple(decision.change for decision in decisions.values())
    found.extend(_about_changes(changes, inputs))
    if observed is not None and observed.ranges:
        found.extend(clashing.find_ranges(steps, observed.ranges, inputs.resources))

    new_slices = [sid for address, one in valued.items() if address in decisions for sid in one.new_slices]
    as_it_is = gathering.unmoved(recorded, inputs) if inputs.moves else recorded
    plan_facts = facts.gather(inputs.stack, changes, new_slices, proof.drawn, as_it_is, observed, host)
    steps = completing.complete_steps(steps, waits, plan_facts, inputs.stack)
    everything = completing.with_untouched(changes, inputs)
    identity = completing.identify(inputs.stack, options, recorded.lineage, changes, plan_facts, outputs)
    return Plan(
        id=identity,
        stack=inputs.stack,
        operation="destroy" if options.destroy else options.operation,
        lineage=recorded.lineage,
        host=host.name,
        changes=everything,
        steps=tuple(steps),
        capacity=proof.capacity,
        facts=plan_facts,
        diagnostics=tuple(sort_diagnostics(found)),
        drift=diffing.find_drift(inputs.records, observed) if not inputs.moves else (),
        outputs=outputs,
        outputs_before=recorded.outputs.get(inputs.stack, {}),
        complete=not (options.target or options.exclude),
        slices_free=max(0, len(host.slices) - proof.capacity.slices.before),
        slices_total=len(host.slices),
        purge=options.purge,
        simulated=host.simulated or all(one == choosing.SIMULATOR for one in choice.roles.values()),
        critical_seconds=ordering.critical_seconds(steps),
        unfinished=unfinished,
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
    observed: Observed | None,
    host: Host,
    options: PlanOptions,
    found: list[Diagnostic],
) -> dict[Address, Decision]:
    decider = Decider(found, host)
    things = observed.things.get(inputs.stack, {}) if observed else {}
    images = {one.name: one.spec for one in inputs.resources.values() if one.kind == "image"}
    again = gathering.select("--replace", options.replace, inputs.resources, []) if options.replace else set()
    decisions: dict[Address, Decision] = {}
    removed = sorted((one for one in inputs.records if one not in inputs.resources), key=ids.sort_key, reverse=True)
    for address in (*inputs.resources, *removed):
        if address not in inputs.allowed:
            continue
        record, resource = inputs.records.get(address), inputs.resources.get(address)
        origin = inputs.moves.get(address)
        thing = things.get(address)
        present = record.parts if observed is None and record else thing.parts if thing else {}
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
            roles=choosing.roles_of(record, inputs.records) if resource is None and record else roles,
            image=images.get(resource.spec["image"], {}) if resource and resource.kind == "vm" else {},
            forced=address in again,
            moved_from=origin,
            purge=options.purge,
            destroy=options.destroy,
        )
        decision = decider.decide(case)
        if decision is not None:
            decisions[address] = decision
    return decisions


def _about_changes(changes: Iterable[Change], inputs: Inputs) -> list[Diagnostic]:
    found = []
    created: list[Resource] = []
    deleted: list[Record] = []
    for change in changes:
        resource = inputs.resources.get(change.address)
        if change.protected:
            found.append(
                saying.protected(
                    change.address, "replaced" if change.action is Action.REPLACE else "deleted", resource.place if resource else None
                )
            )
        if change.action is Action.CREATE and change.before is None and resource is not None and change.reason is Reason.NOT_RECORDED:
            created.append(resource)
        elif change.action is Action.DELETE and change.reason is Reason.GONE_FROM_FILE:
            deleted.append(inputs.records[change.address])
    return found + (gathering.suspect(created, deleted) if created and deleted else [])
