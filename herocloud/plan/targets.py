"""The targets of all resources of a stack: values decided, expressions answered.

Expressions that only the planner can answer: `{{ vm.web[0].address.lan }}`, `{{ vm.db.mycelium }}`, `{{ vm.db.slices }}`. Everything else
was resolved when the file was loaded. Because addresses are decided in the plan, two VMs may name each other without a cycle.
"""

import re
from collections.abc import Callable, Mapping

from herocloud.kits import nearest
from herocloud.kits.jsons import Json, Spec
from herocloud.model import specs as shapes
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.specs import ImageId
from herocloud.model.worlds import Observed, Recorded
from herocloud.plan import assignment, capacity, claims, diagnostics, resource_parts, scope, spec_values, volume_names
from herocloud.plan.ledger import Ledger
from herocloud.plan.overlay_addresses import OverlayAddresses, node_of
from herocloud.plan.scope import Inputs, PlanOptions
from herocloud.plan.spec_values import Valued, Valuer

_EXPRESSION = r"\{\{\s*((?:vm\.|(?:join|length)\(\s*vm\.)[^{}]*?)\s*\}\}"
"""Only what names a VM: the rest was answered or checked at load, and what is left of braces then is text, as in cloud-init templates."""
_CALL = r"^(join|length)\(\s*(vm\.[^\s,()]+)\s*(?:,\s*(\"[^\"]*\"|'[^']*')\s*)?\)$"
_EVERY = r"^(vm\.[a-z][a-z0-9-]*)\[(?:0:(\d+)|:)\]\.(.+)$"
"""What `[*]` became at load: `vm.web[0:2]` for two instances, `vm.db[:]` for a VM without `count`."""
_REFERENCE = r"^(vm\.[a-z][a-z0-9-]*(?:\[\d+\])?)\.(.+)$"


def resolve(value: Json, specs: Mapping[Address, Spec], where: str, found: list[Diagnostic]) -> Json:
    """Replace the expressions in `value`, however deep; a text that is only an expression takes the value's type."""
    if isinstance(value, str):
        return _resolve_text(value, specs, where, found) if "{{" in value else value
    if isinstance(value, dict):
        return {key: resolve(one, specs, where, found) for key, one in value.items()}
    if isinstance(value, list):
        return [resolve(item, specs, where, found) for item in value]
    return value


def has_expression(value: Json) -> bool:
    """Return whether anything in `value` is left to resolve."""
    if isinstance(value, str):
        return "{{" in value and re.search(_EXPRESSION, value) is not None
    if isinstance(value, dict):
        return any(map(has_expression, value.values()))
    return isinstance(value, list) and any(map(has_expression, value))


def _resolve_text(text: str, specs: Mapping[Address, Spec], where: str, found: list[Diagnostic]) -> Json:
    whole = re.fullmatch(_EXPRESSION, text.strip())
    if whole:
        return _value(whole.group(1), specs, where, found)
    return re.sub(_EXPRESSION, lambda match: _as_text(_value(match.group(1), specs, where, found)), text)


def _as_text(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(map(_as_text, value))
    return value if isinstance(value, str) else "" if value is None else str(value)


def _value(expression: str, specs: Mapping[Address, Spec], where: str, findings: list[Diagnostic]) -> Json:
    if call := re.match(_CALL, expression):
        value = _value(call.group(2), specs, where, findings)
        items = value if isinstance(value, list) else [value]
        return len(items) if call.group(1) == "length" else (call.group(3) or "', '")[1:-1].join(map(_as_text, items))
    if every := re.match(_EVERY, expression):
        name, many, rest = every.groups()
        addresses = [name] if many is None else [f"{name}[{number}]" for number in range(int(many))]
        return [_value(f"{address}.{rest}", specs, where, findings) for address in addresses]
    match = re.match(_REFERENCE, expression)
    if not match:
        findings.append(diagnostics.unknown_value(where, expression, "it does not say which value of the VM is meant", None))
        return None
    address, path = Address(match.group(1)), match.group(2)
    spec = specs.get(address)
    if spec is None:
        near = nearest.nearest(address, specs)
        findings.append(
            diagnostics.unknown_value(where, expression, f"there is no `{address}`" + (f"; did you mean `{near}`?" if near else ""), None)
        )
        return None
    kind, _, rest = path.partition(".")
    answer = _ANSWERS.get(kind)
    if answer is None:
        near = nearest.nearest(kind, _ANSWERS)
        findings.append(
            diagnostics.unknown_value(where, expression, f"a VM has no `{kind}`" + (f"; did you mean `{near}`?" if near else ""), None)
        )
        return None
    value = answer(spec, rest)
    if value is None:
        findings.append(diagnostics.unknown_value(where, expression, f"`{address}` has none", None))
    return value


def _address(spec: Spec, network: str) -> Json:
    for nic in spec["networks"]:
        if nic["network"] == network or not network:
            return nic["address"]
    return None


_ANSWERS: dict[str, Callable[[Spec, str], Json]] = {
    "address": _address,
    "mycelium": lambda spec, _rest: spec["mycelium"]["address"] if spec["mycelium"] else None,
    "mac": lambda spec, network: next((nic["mac"] for nic in spec["networks"] if nic["network"] == network or not network), None),
    "sid": lambda spec, _rest: spec["sid"],
    "slices": lambda spec, _rest: spec["slices"],
    "memory": lambda spec, _rest: spec["memory"],
    "vcpus": lambda spec, _rest: spec["vcpus"],
}


_TEXTS = ("env", "labels", "user_data")
"""Fields of a VM whose texts may hold expressions."""


def decide_values(
    inputs: Inputs,
    choice: assignment.Choice,
    recorded: Recorded,
    observed: Observed | None,
    host: Host,
    leaving: list[tuple[StackName, Address]],
    options: PlanOptions,
    found: list[Diagnostic],
) -> tuple[dict[Address, Valued], dict[Address, int], dict[Address, Spec]]:
    """Decide the values of all resources that the plan may touch; the others keep their recorded ones."""
    images = {resource.name: resource.spec for resource in inputs.resources.values() if resource.kind == "image"}
    networks = {resource.name: resource.spec for resource in inputs.resources.values() if resource.kind == "network"}
    touched = [resource for resource in inputs.resources.values() if resource.address in inputs.allowed]
    ledger = Ledger(host, recorded, leaving, _kept_back(recorded, observed, {(inputs.stack, resource.address) for resource in touched}))
    if observed is not None:
        for orphan in capacity.without_record(recorded, observed):
            ledger.enter_unrecorded(orphan.parts, here=orphan.stack == inputs.stack)
    sizes, made_as = _volume_sizes(inputs), volume_names.made_as(inputs.resources.values(), inputs.records, inputs.lost)
    node = node_of(inputs.resources.values())
    overlay = OverlayAddresses(inputs.stack, host, node, inputs.records, recorded, simulated=choice.simulated, found=found)
    valuer = Valuer(inputs.stack, host, ledger, inputs.records, images, networks, sizes, observed, found, overlay, made_as)
    vms = [resource for resource in touched if resource.kind == "vm"]
    for resource in vms:
        record = inputs.records.get(resource.address) or inputs.lost.get(resource.address)
        if record:
            valuer.release(resource, record.spec)
    for resource in vms:
        if resource.spec["slice"]:
            valuer.pin(resource)
    specs: dict[Address, Spec] = {address: record.spec for address, record in inputs.records.items() if record.kind == "vm"}
    valued: dict[Address, Valued] = {}
    identities = {name: _image_identity(spec) for name, spec in images.items()}
    again = _to_replace(options, inputs, found)
    things = observed.things.get(inputs.stack, {}) if observed else {}
    for resource in touched:
        if resource.kind != "vm":
            valued[resource.address] = valuer.plain(resource)
            continue
        hypervisor, record, thing = choice.hypervisors[resource.address], inputs.records.get(resource.address), things.get(resource.address)
        lost = inputs.lost.get(resource.address) if record is None else None
        known = record or lost
        old = known.spec if known else spec_values.spec_of(thing) if thing else {}
        target = valuer.vm(resource, hypervisor, old, identities.get(resource.spec["image"]), fresh=resource.address in again)
        # What is taken back into the records is given its slices there once more.
        back = lost is not None or (record is None and bool(old.get("slices")))
        valued[resource.address] = target._replace(new_slices=tuple(target.spec["slices"])) if back else target
        specs[resource.address] = target.spec
        found.extend(assignment.unsupported_fields(resource, target.spec, old, hypervisor, host))
    overlay.finish()
    for address, target in valued.items():
        if address.startswith("vm."):
            texts = {field: target.spec[field] for field in _TEXTS if has_expression(target.spec[field])}
            if texts and not inputs.resources[address].literal:
                resolved = _only_texts(resolve(texts, specs, address, found))
                specs[address] = {**target.spec, **resolved}
                valued[address] = target._replace(spec=specs[address])
        elif target.spec.get("forward"):
            valued[address] = target._replace(spec=_with_forward_addresses(target.spec, address, specs))
    return valued, valuer.short, specs


def _only_texts(value: Json) -> Json:
    """Write lists as texts: what a guest gets are texts."""
    if isinstance(value, dict):
        return {key: _only_texts(inner) for key, inner in value.items()}
    return _as_text(value) if isinstance(value, list) else value


def _volume_sizes(inputs: Inputs) -> dict[str, int]:
    """Say how large each volume will be: as the file says, and as it is recorded where the plan may not touch it."""
    recorded = {
        address.removeprefix("volume."): record.spec["size"] for address, record in inputs.records.items() if record.kind == "volume"
    }
    wanted = {
        resource.name: resource.spec["size"]
        for resource in inputs.resources.values()
        if resource.kind == "volume" and resource.address in inputs.allowed
    }
    return {**recorded, **wanted}


def _kept_back(recorded: Recorded, observed: Observed | None, adopted: set[tuple[StackName, Address]]) -> int:
    """Count the slices that hold back memory for what nobody knows the slices of; what this plan adopts gets slices of its own."""
    if observed is None:
        return 0
    orphans = capacity.without_record(recorded, observed)
    unknown = [orphan for orphan in orphans if not orphan.slices and orphan.address not in recorded.lost.get(orphan.stack, {})]
    return sum(claims.claim_of_parts(record.parts).slices for record in unknown if (record.stack, record.address) not in adopted)


def _to_replace(options: PlanOptions, inputs: Inputs, found: list[Diagnostic]) -> set[Address]:
    """Find the VMs that `--replace` names; other resources hold nothing that making them again would mend."""
    named = scope.select("--replace", options.replace, inputs.resources, found)
    vms = {address for address in named if inputs.resources[address].kind == "vm"}
    found.extend(diagnostics.cannot_replace(address) for address in sorted(named - vms))
    return vms


def _image_identity(image: Spec) -> ImageId:
    """Reduce an image to what a VM made from it depends on."""
    known = shapes.image(image)
    return {"source": resource_parts.image_identity(known), "payload": resource_parts.payload_of(known), "nocloud": known["nocloud"]}


def _with_forward_addresses(spec: Spec, address: Address, specs: Mapping[Address, Spec]) -> Spec:
    """Give every port forward the address it leads to, so that the network's provider need not know VMs."""
    network = address.partition(".")[2]
    forwards = []
    for rule in spec["forward"]:
        nics = specs.get(Address(rule["vm"]), {}).get("networks", ())
        forwards.append({**rule, "address": next((nic["address"] for nic in nics if nic["network"] == network), None)})
    return {**spec, "forward": forwards}
