"""The entrance for VMs made from copied disks: clones and imports.

Both are new VMs of the stack of single VMs, planned like any other, with their own sid, MACs, addresses, seed and so instance id. What
differs is where their disks come from: a step that would make a disk from an image copies one instead.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Plan
from herocloud.model.steps import Step
from herocloud.model.words import Severity
from herocloud.model.worlds import Observed, Record, Recorded, Resource
from herocloud.plan import capacity, finish, orphan_diagnostics, planner, recorded_stack
from herocloud.plan.changes import Decision
from herocloud.plan.draft import Draft
from herocloud.plan.scope import PlanOptions

_COPIES = {"disk.create": "disk.copy", "volume.create": "volume.copy"}
_LONGEST = 63
"""Letters of a name."""


class Original(NamedTuple):
    """What a VM is made from."""

    vm: Resource
    """As a stack file would ask for it."""
    image: Resource | None
    networks: Mapping[str, Resource]
    """The networks that its cards are on, by name."""
    disks: Mapping[str, tuple[int, Mapping[str, Json]]]
    """The size of each disk and where it is copied from: `disk` and `volume.NAME`."""
    stack: StackName | None
    """Where it comes from; its networks are joined when the new VM is of the same stack."""
    seeded: bool = True
    """Whether its image takes a seed."""


class Wanted(NamedTuple):
    """The VM that is asked for."""

    name: str
    stack: StackName
    operation: str
    slices: tuple[str, ...] = ()
    state: str = "running"


def original_of(record: Record, records: Mapping[Address, Record], disks: Mapping[str, tuple[int, Mapping[str, Json]]]) -> Original:
    """Take a recorded VM as the original."""
    vm = recorded_stack.resource_of(record)
    image = records.get(ids.make_address("image", record.spec["image"]))
    networks = {
        nic["network"]: recorded_stack.resource_of(records[address])
        for nic in record.spec["networks"]
        if (address := ids.make_address("network", nic["network"])) in records
    }
    made = recorded_stack.resource_of(image) if image is not None else None
    return Original(vm, made, networks, disks, record.stack, bool(image is not None and image.spec.get("nocloud")))


def plan_copy(wanted: Wanted, original: Original, recorded: Recorded, observed: Observed, host: Host) -> Plan:
    """Return the plan that makes the VM; everything else in its stack stays as it is."""
    diagnostics: list[Diagnostic] = []
    standing = recorded.records.get(wanted.stack, {})
    address = ids.make_address("vm", wanted.name)
    diagnostics += _refuse_name(wanted, address, standing)
    image, image_name = _image(original, standing)
    networks, names = _networks(original, wanted.stack, recorded, observed)
    volumes, uses = _volumes(original, wanted.name, standing, diagnostics)
    diagnostics += _left_behind(original, address, standing, wanted)
    spec = _spec(original, wanted, image_name, names, uses, standing)
    needs = [ids.make_address("image", image_name), *(ids.make_address("network", name) for name in names.values())]
    needs += [ids.make_address("volume", use["volume"]) for use in uses]
    vm = original.vm._replace(
        address=address, name=wanted.name, number=None, spec=spec, depends_on=tuple(dict.fromkeys(needs)), protect=False, place=None
    )
    added = [*image, *networks, *volumes, vm]
    orphans = {thing.address for thing in capacity.without_record(recorded, observed) if thing.stack == wanted.stack}
    diagnostics += [orphan_diagnostics.name_of_orphan(one.address) for one in (*volumes, vm) if one.address in orphans]
    if any(diagnostic.is_error for diagnostic in diagnostics):
        added = []
    draft = _draft(wanted, added, recorded, observed, host)
    origins = {address: original.disks.get("disk", (0, None))[1]}
    for volume in volumes:
        origins[volume.address] = original.disks[f"volume.{volume.name.removeprefix(f'{wanted.name}-')}"][1]
    draft = _with_origins(draft, origins)
    return finish.finish(draft._replace(found=(*draft.found, *diagnostics), complete=True))


def _draft(wanted: Wanted, added: Sequence[Resource], recorded: Recorded, observed: Observed, host: Host) -> Draft:
    standing = recorded_stack.desire(wanted.stack, recorded.records.get(wanted.stack, {}).values(), recorded.outputs.get(wanted.stack, {}))
    touched = tuple(resource.address for resource in added)
    seen = recorded_stack.calm(observed, recorded, wanted.stack, touched)
    desired = standing._replace(resources=(*standing.resources, *added))
    options = PlanOptions(target=touched, operation=wanted.operation)
    return planner.draft(desired, recorded, seen, host, options)


def _refuse_name(wanted: Wanted, address: Address, standing: Mapping[Address, Record]) -> Iterator[Diagnostic]:
    if not ids.NAME.match(wanted.name):
        detail = f"`{wanted.name}` is not a name: small letters, digits and hyphens, beginning with a letter."
        yield Diagnostic("bad-name", "Not a name for a VM", detail)
    elif address in standing:
        detail = f"Stack `{wanted.stack}` has `{address}` already."
        yield Diagnostic("name-taken", "The name is taken", detail, address=address, hint="choose another name, or delete that VM")


def _image(original: Original, standing: Mapping[Address, Record]) -> tuple[list[Resource], str]:
    """Share the image with VMs that have the same one already; another one of the same name goes beside it."""
    image = original.image
    if image is None:
        return [], str(original.vm.spec["image"])
    known = standing.get(image.address)
    if known is None:
        return [image], image.name
    if jsons.digest(recorded_stack.resource_of(known).spec) == jsons.digest(image.spec):
        return [], image.name
    name = f"{image.name}-{jsons.digest(image.spec)[:8]}"
    address = ids.make_address("image", name)
    return ([] if address in standing else [image._replace(address=address, name=name)]), name


def _networks(original: Original, stack: StackName, recorded: Recorded, observed: Observed) -> tuple[list[Resource], dict[str, str]]:
    """Return the networks to make, and what each network of the original is called here.

    Networks are of one stack, so a VM of another stack gets networks of the same kind with ranges of their own.
    """
    standing = recorded.records.get(stack, {})
    made: list[Resource] = []
    names: dict[str, str] = {}
    taken = [ipaddress.ip_network(cidr) for cidr in _ranges(recorded, observed)]
    for name, network in original.networks.items():
        names[name] = name
        address = ids.make_address("network", name)
        if original.stack == stack or address in standing:
            continue
        cidr = _free_range(ipaddress.ip_network(network.spec["cidr"]), taken)
        taken.append(ipaddress.ip_network(cidr))
        spec: dict[str, Json] = {**network.spec, "cidr": cidr, "forward": []}
        made.append(network._replace(address=address, spec=spec, depends_on=(), protect=False, place=None))
    return made, names


def _ranges(recorded: Recorded, observed: Observed) -> Iterator[str]:
    for records in (*recorded.records.values(), *recorded.reserved.values()):
        yield from (record.spec["cidr"] for record in records.values() if record.kind == "network")
    yield from (taken.cidr for taken in observed.ranges)


def _free_range(like: ipaddress.IPv4Network | ipaddress.IPv6Network, taken: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    """Return the next range of the same size that nobody has."""
    size, start = like.num_addresses, int(like.network_address)
    most = 2**like.max_prefixlen
    for number in range(1, 4096):
        first = start + number * size
        if first + size > most:
            break
        candidate = ipaddress.ip_network((first, like.prefixlen))
        if not any(candidate.version == other.version and candidate.overlaps(other) for other in taken):
            return str(candidate)
    return str(like)


def _volumes(
    original: Original, name: str, standing: Mapping[Address, Record], diagnostics: list[Diagnostic]
) -> tuple[list[Resource], list[dict[str, Json]]]:
    """Return the volumes to make out of those that the original writes to, and how the VM uses them."""
    made: list[Resource] = []
    uses: list[dict[str, Json]] = []
    for disk, (size, _) in original.disks.items():
        if disk == "disk":
            continue
        new = f"{name}-{disk.removeprefix('volume.')}"
        address = ids.make_address("volume", new)
        if address in standing:
            hint = f"choose another name, or delete that volume: `herocloud destroy --stack {standing[address].stack} --target {address}`"
            diagnostics.append(
                Diagnostic("name-taken", "The name is taken", f"There is a `{address}` already.", address=address, hint=hint)
            )
        if len(new) > _LONGEST:
            diagnostics.append(
                Diagnostic("bad-name", "The name is too long", f"`{new}` has more than {_LONGEST} characters.", address=address)
            )
        made.append(Resource(address, "volume", new, None, {"size": size}, literal=True))
        uses.append({"volume": new, "readonly": False})
    return made, uses


def _left_behind(original: Original, address: Address, standing: Mapping[Address, Record], wanted: Wanted) -> Iterator[Diagnostic]:
    """Warn of what the new VM does not get."""
    shared = [use["volume"] for use in original.vm.spec["volumes"] if use["readonly"]]
    if shared and original.stack != wanted.stack:
        detail = f"`{address}` does not get {', '.join(f'`volume.{name}`' for name in shared)}, which the original only reads."
        yield Diagnostic("clone-without", "Not everything is copied", detail, address=address, severity=Severity.WARNING)
    if original.vm.spec["mycelium"] and not _has_overlay(standing):
        detail = f"Stack `{wanted.stack}` has no overlay, so `{address}` gets no address in it."
        yield Diagnostic("clone-without", "Not everything is copied", detail, address=address, severity=Severity.WARNING)
    if "disk" in original.disks and not original.seeded:
        detail = (
            f"The image of `{address}` takes no seed, so its guest keeps the machine id, the host keys and the name of the original. "
            "Change them inside the guest before both are on one network."
        )
        yield Diagnostic("clone-identity", "The guest keeps its identity", detail, address=address, severity=Severity.WARNING)


def _has_overlay(standing: Mapping[Address, Record]) -> bool:
    return any(record.kind == "mycelium" for record in standing.values())


def _spec(
    original: Original,
    wanted: Wanted,
    image: str,
    names: Mapping[str, str],
    uses: Sequence[Mapping[str, Json]],
    standing: Mapping[Address, Record],
) -> Spec:
    before = original.vm.spec
    slices = before["slice"] or ()
    root, size = before["root_disk"], original.disks.get("disk", (0, None))[0]
    same = original.stack == wanted.stack
    kept = [{"volume": use["volume"], "readonly": True} for use in before["volumes"] if use["readonly"] and same]
    return {
        **{key: value for key, value in before.items() if key not in ("hostname", "sid")},
        "image": image,
        "slice": list(wanted.slices) or None,
        "slices": None if wanted.slices else len(slices) or before["slices"],
        "root_disk": None if root is None else {**root, "size": max(root["size"], size)},
        "volumes": [*uses, *kept],
        "networks": [{**nic, "network": names[nic["network"]]} for nic in before["networks"] if nic["network"] in names],
        "mycelium": {**before["mycelium"], "seed": None} if before["mycelium"] and _has_overlay(standing) else None,
        "state": wanted.state,
    }


def _with_origins(draft: Draft, origins: Mapping[Address, Mapping[str, Json] | None]) -> Draft:
    """Let disks be copied where they would be made."""
    renamed: dict[StepId, StepId] = {}
    decisions: dict[Address, Decision] = {}
    for address, decision in draft.decisions.items():
        origin = origins.get(address)
        steps = decision.steps
        if origin is not None:
            steps = [_copied(step, origin, renamed) for step in steps]
        decisions[address] = decision._replace(steps=steps)
    if not renamed:
        return draft

    def new(steps: Iterable[StepId]) -> list[StepId]:
        return [renamed.get(step, step) for step in steps]

    for address, decision in decisions.items():
        decisions[address] = decision._replace(steps=[step._replace(needs=tuple(new(step.needs))) for step in decision.steps])
    waits = {renamed.get(step, step): set(new(needs)) for step, needs in draft.waits.items()}
    return draft._replace(decisions=decisions, waits=waits)


def _copied(step: Step, origin: Mapping[str, Json], renamed: dict[StepId, StepId]) -> Step:
    kind = _COPIES.get(step.kind)
    if kind is None:
        return step
    name = StepId(f"{step.address}/{kind}")
    renamed[step.id] = name
    return step._replace(id=name, kind=kind, origin=dict(origin))
