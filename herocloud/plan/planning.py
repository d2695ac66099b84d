"""The planner's one entrance: `plan(desired, recorded, observed, host, options)`.

It reads like the life of a plan: follow renames, choose providers, decide every value, decide what happens at each address, order the steps,
prove that they fit, and write down what all of it relies on.
"""

import graphlib
import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import herocloud
from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic, sort_diagnostics
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Change, Fact, Plan
from herocloud.model.steps import KINDS, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.plan import choosing, drifting, facts, fitting, ordering, parting, renaming, resolving, saying, targeting
from herocloud.plan.deciding import Case, Decider, Decision
from herocloud.plan.ledger import Ledger
from herocloud.plan.options import PlanOptions
from herocloud.plan.valuing import Valued, Valuer

_TEXTS = ("env", "labels", "user_data")
"""Fields of a VM whose texts may hold expressions."""


class _Inputs(NamedTuple):
    """The inputs, with renames followed and the untouched set aside."""

    stack: StackName
    resources: dict[Address, Resource]
    records: dict[Address, Record]
    moves: dict[Address, Address]
    allowed: set[Address]


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, host: Host, options: PlanOptions) -> Plan:
    """Make the plan that turns what is there into what is desired; see the module's text."""
    found: list[Diagnostic] = []
    inputs = _gather(desired, recorded, options, found)
    recorded = recorded._replace(records={**recorded.records, inputs.stack: inputs.records})
    choice = choosing.choose(desired._replace(resources=tuple(inputs.resources.values())), host, options.hypervisor)
    found.extend(one for one in choice.found if one.address is None or one.address in inputs.allowed)
    if recorded.unfinished and options.operation in ("apply", "destroy"):
        found.append(saying.unfinished_apply(recorded.unfinished))

    leaving = [(inputs.stack, address) for address in inputs.records if address not in inputs.resources and address in inputs.allowed]
    valued, short, specs = _decide_values(desired, inputs, choice, recorded, observed, host, leaving, options, found)
    if short:
        found.append(fitting.too_few_slices(host, short, len(facts.slice_holders(recorded))))
    outputs = resolving.resolve(dict(desired.outputs), specs, "outputs", found) if not options.destroy else {}

    decisions = _decide(inputs, valued, choice.roles, observed, options, found)
    steps = [step for decision in decisions.values() for step in decision.steps]
    steps, proof = _order_and_prove(steps, decisions, inputs, valued, recorded, observed, host, found)
    found.extend(proof.found)
    changes = tuple(decision.change for decision in decisions.values())
    found.extend(_about_changes(changes, inputs))

    new_slices = [sid for address, one in valued.items() if address in decisions for sid in one.new_slices]
    free_now = [sid for sid in new_slices]
    plan_facts = facts.gather(
        inputs.stack, changes, free_now, proof.drawn, recorded if not inputs.moves else _unmoved(recorded, inputs), observed, host
    )
    steps = _attach_facts(steps, plan_facts, inputs.stack)
    everything = _with_untouched(changes, inputs)
    identity = _identify(inputs.stack, options, recorded.lineage, changes, plan_facts, outputs)
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
        drift=drifting.find_drift(inputs.records, observed) if not inputs.moves else (),
        outputs=outputs,
        outputs_before=recorded.outputs.get(inputs.stack, {}),
        complete=not (options.target or options.exclude),
        slices_free=len(host.slices) - proof.capacity.slices.before,
        slices_total=len(host.slices),
        purge=options.purge,
        simulated=host.simulated or all(one == choosing.SIMULATOR for one in choice.roles.values()),
        critical_seconds=ordering.critical_seconds(steps, {kind: info.expected for kind, info in KINDS.items()}),
    )


def _gather(desired: Desired, recorded: Recorded, options: PlanOptions, found: list[Diagnostic]) -> _Inputs:
    stack = desired.stack
    resources = {} if options.destroy else {one.address: one for one in desired.resources}
    before = recorded.records.get(stack, {})
    moves = {} if options.destroy else renaming.follow(desired, before, found)
    origins = set(moves.values())
    records = {address: record for address, record in before.items() if address not in origins}
    for target, origin in moves.items():
        records[target] = before[origin]._replace(address=target)
    known = [*resources, *(address for address in records if address not in resources)]
    needs: dict[Address, Iterable[Address]] = {address: record.needs for address, record in records.items()}
    needs.update({address: resource.depends_on for address, resource in resources.items()})
    targets = targeting.select("--target", options.target, known, found) if options.target else None
    excluded = targeting.select("--exclude", options.exclude, known, found) if options.exclude else set()
    if options.destroy:
        # Destroying runs against the order of creation: whoever needs a target has to go before it.
        reverse: dict[Address, list[Address]] = {}
        for address, others in needs.items():
            for other in others:
                reverse.setdefault(other, []).append(address)
        needs = dict(reverse)
    return _Inputs(
        stack,
        resources,
        records,
        moves,
        targeting.narrow(known, targets, excluded, needs) if options.target or options.exclude else set(known),
    )


def _decide_values(
    desired: Desired,
    inputs: _Inputs,
    choice: choosing.Choice,
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
    leaving: list[tuple[StackName, Address]],
    options: PlanOptions,
    found: list[Diagnostic],
) -> tuple[dict[Address, Valued], dict[Address, int], dict[Address, Spec]]:
    """Decide the values of all resources that the plan may touch; the others keep their recorded ones."""
    images = {one.name: one.spec for one in inputs.resources.values() if one.kind == "image"}
    networks = {one.name: one.spec for one in inputs.resources.values() if one.kind == "network"}
    valuer = Valuer(inputs.stack, host, Ledger(host, recorded, leaving), inputs.records, images, networks, observed, found)
    touched = [one for one in inputs.resources.values() if one.address in inputs.allowed]
    vms = [one for one in touched if one.kind == "vm"]
    for resource in vms:
        record = inputs.records.get(resource.address)
        if record:
            valuer.release(resource, record.spec)
    for resource in vms:
        if resource.spec["slice"]:
            valuer.pin(resource)
    specs: dict[Address, Spec] = {address: record.spec for address, record in inputs.records.items() if record.kind == "vm"}
    valued: dict[Address, Valued] = {}
    identities = {name: _image_identity(spec) for name, spec in images.items()}
    again = targeting.select("--replace", options.replace, inputs.resources, found) if options.replace else set()
    for resource in touched:
        if resource.kind != "vm":
            valued[resource.address] = valuer.plain(resource)
            continue
        one = valuer.vm(
            resource, choice.hypervisors[resource.address], inputs.records.get(resource.address), fresh=resource.address in again
        )
        one.spec["image_id"] = identities.get(resource.spec["image"])  # type: ignore[index] - the dictionary was made for this plan just now
        valued[resource.address] = one
        specs[resource.address] = one.spec
        found.extend(choosing.unsupported_fields(resource, one.spec, choice.hypervisors[resource.address]))
    for address, one in valued.items():
        if address.startswith("vm."):
            texts = {field: one.spec[field] for field in _TEXTS if resolving.has_expression(one.spec[field])}
            if texts:
                resolved = resolving.resolve(texts, specs, address, found)
                specs[address] = {**one.spec, **resolved}
                valued[address] = one._replace(spec=specs[address])
        elif one.spec.get("forward"):
            valued[address] = one._replace(spec=_with_forward_addresses(one.spec, address, specs))
    return valued, valuer.short, specs


def _image_identity(image: Spec) -> Json:
    """Reduce an image to what a VM made from it depends on."""
    payload = {field: image[field] for field in ("kernel", "initramfs", "cmdline")} if image["kernel"] else None
    return {"source": parting.image_identity(image), "payload": payload, "nocloud": image["nocloud"]}


def _with_forward_addresses(spec: Spec, address: Address, specs: Mapping[Address, Spec]) -> Spec:
    """Give every port forward the address it leads to, so that the network's provider need not know VMs."""
    network = address.partition(".")[2]
    forwards = []
    for one in spec["forward"]:
        nics = specs.get(Address(one["vm"]), {}).get("networks", ())
        forwards.append({**one, "address": next((nic["address"] for nic in nics if nic["network"] == network), None)})
    return {**spec, "forward": forwards}


def _decide(
    inputs: _Inputs,
    valued: Mapping[Address, Valued],
    roles: Mapping[str, str],
    observed: Observed | None,
    options: PlanOptions,
    found: list[Diagnostic],
) -> dict[Address, Decision]:
    decider = Decider(found)
    things = observed.things.get(inputs.stack, {}) if observed else {}
    images = {one.name: one.spec for one in inputs.resources.values() if one.kind == "image"}
    again = targeting.select("--replace", options.replace, inputs.resources, []) if options.replace else set()
    decisions: dict[Address, Decision] = {}
    removed = sorted((one for one in inputs.records if one not in inputs.resources), key=ids.sort_key, reverse=True)
    for address in (*inputs.resources, *removed):
        if address not in inputs.allowed:
            continue
        record, resource = inputs.records.get(address), inputs.resources.get(address)
        origin = inputs.moves.get(address)
        thing = things.get(address) or (things.get(origin) if origin else None)
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
            roles=_roles_of(record) if resource is None and record else roles,
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


def _roles_of(record: Record) -> Mapping[str, str]:
    """Tell who made what a record stands for."""
    if record.provider == choosing.SIMULATOR:
        return dict.fromkeys(("images", "network", "overlay"), choosing.SIMULATOR)
    return choosing.REAL_ROLES


def _order_and_prove(
    steps: list[Step],
    decisions: Mapping[Address, Decision],
    inputs: _Inputs,
    valued: Mapping[Address, Valued],
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
    found: list[Diagnostic],
) -> tuple[list[Step], fitting.Proof]:
    waits = ordering.order(decisions, {address: record.needs for address, record in inputs.records.items()})
    for address, one in valued.items():
        if one.waits and address in decisions:
            _wait_for_slices(decisions[address].steps, one.waits, decisions, waits)
    before = fitting.used(recorded, observed.tombstones if observed else 0)
    # Slices that others of this plan hold now come free during the apply; only the rest is drawn from what is free already.
    holders = facts.slice_holders(recorded)
    free = sum(1 for address, one in valued.items() if address in decisions for sid in one.new_slices if sid not in holders)
    try:
        steps = ordering.sort_steps(ordering.add_waits(steps, waits))
    except graphlib.CycleError as circle:
        found.append(_circle(circle.args[1]))
        return steps, fitting.prove((), before, host, inputs.stack, 0)
    proof = fitting.prove(steps, before, host, inputs.stack, free)
    if proof.waits:
        steps = ordering.sort_steps(ordering.add_waits(steps, proof.waits))
    return steps, proof


def _wait_for_slices(
    steps: list[Step], holders: Iterable[Address], decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]
) -> None:
    """Make the first steps of a VM wait until those that hold its slices have let go of them in the state."""
    lasts = {step.id for holder in holders if holder in decisions for step in decisions[holder].steps if step.last}
    for step in steps:
        if not step.needs and lasts:
            waits.setdefault(step.id, set()).update(lasts)


def _circle(steps: list[StepId]) -> Diagnostic:
    addresses = sorted({step.partition("/")[0] for step in steps}, key=ids.sort_key)
    return Diagnostic(
        code="circle",
        summary="The changes wait for each other",
        detail=f"{', '.join(f'`{one}`' for one in addresses)} each need something that another of them holds until it is done.",
        address=addresses[0],
        hint="make the change in two applies, for example by way of a free slice",
    )


def _about_changes(changes: Iterable[Change], inputs: _Inputs) -> list[Diagnostic]:
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
    return found + (renaming.suspect(created, deleted) if created and deleted else [])


def _unmoved(recorded: Recorded, inputs: _Inputs) -> Recorded:
    """Take renames back for facts, which are about the state as it is."""
    records = dict(inputs.records)
    for target, origin in inputs.moves.items():
        records[origin] = records.pop(target)._replace(address=origin)
    return recorded._replace(records={**recorded.records, inputs.stack: records})


def _attach_facts(steps: list[Step], plan_facts: Iterable[Fact], stack: StackName) -> list[Step]:
    """Tell each step what it relies on: the facts of its address, and what it takes from the host."""
    by_address: dict[str, list[str]] = {}
    general: list[str] = []
    for fact in plan_facts:
        kind, _, rest = fact.key.partition(":")
        if kind in ("record", "observed"):
            by_address.setdefault(rest.removeprefix(f"{stack}/"), []).append(fact.key)
        elif kind == "capacity":
            general.append(fact.key)
    keys = {address: tuple(names) for address, names in by_address.items()}
    return [
        step._replace(facts=(*keys.get(step.address, ()), *general) if any(step.takes) and general else keys.get(step.address, ()))
        for step in steps
    ]


def _with_untouched(changes: tuple[Change, ...], inputs: _Inputs) -> tuple[Change, ...]:
    """Add the addresses at which nothing happens, in the order of the stack file; what goes comes last."""
    by_address = {change.address: change for change in changes}
    everything: list[Change] = []
    for address in inputs.resources:
        change = by_address.pop(address, None)
        if change is not None:
            everything.append(change)
        elif address in inputs.records:
            record = inputs.records[address]
            everything.append(
                Change(
                    address, record.kind, Action.NO_OP, Reason.NONE, Impact.NONE, record.provider, record.spec, record.spec, sid=record.sid, protect=record.protect, needs=record.needs
                )
            )  # fmt: skip
    return (*everything, *by_address.values())


def _identify(
    stack: StackName, options: PlanOptions, lineage: str | None, changes: Iterable[Change], plan_facts: Iterable[Fact], outputs: Json
) -> PlanId:
    """Name the plan after its content: everything else in it follows from these."""
    state = hashlib.blake2b(digest_size=8)
    state.update(jsons.dumps([herocloud.__version__, stack, options, lineage, outputs]).encode())
    for change in changes:
        state.update(jsons.dumps([change.address, change.action.value, change.previous_address, change.after]).encode())
    for fact in plan_facts:
        state.update(f"{fact.key}\0{fact.digest}\0".encode())
    return PlanId(state.hexdigest())
