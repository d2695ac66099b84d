"""VMs that are asked for one by one: they make up the stack `imperative`, and go through the same planner and journal as any other."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Spec
from herocloud.model import ids, overlays
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Desired, Record, Recorded, Resource
from herocloud.operations import inputs, stack_plans
from herocloud.operations.inputs import Hosting, Known, Sources
from herocloud.operations.stack_plans import Planned

STACK = StackName("imperative")
_FROM_STDIN = "-"
_STDIN = "<stdin>"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_WIDEST = 0xFFFF
"""The largest number that `\\u` takes."""


class SliceInUse(Refused):
    """A slice that was asked for is not free."""


class ImageRefused(Refused):
    """The image is not known on this host."""


class FieldsRefused(Refused):
    """Fields of the VM are not what a VM may have."""

    def __init__(self, diagnostics: Sequence[Diagnostic], fields: Sequence[str | None]) -> None:
        """Keep the field of each diagnostic, as a stack file calls it; nothing where it is about none."""
        super().__init__(diagnostics)
        self.fields = tuple(fields)


class DeployWanted(NamedTuple):
    """The VM that is asked for."""

    name: str
    slices: tuple[str, ...]
    image: str
    fields: Mapping[str, Json] = {}
    """More fields of the VM, as a stack file has them."""


def plan_deploy(folder: Path, wanted: DeployWanted, known: Known | None = None) -> Planned:
    """Plan one new VM; everything else in its stack stays as it is. What is `known` is not read again."""
    from herocloud.plan import capacity, imperative_vms, orphan_diagnostics

    recorded, host = known or inputs.read_known(folder)
    observed = stack_plans.look(host, None)
    recorded = stack_plans.remember(recorded, observed, host)
    require_free(recorded, host, wanted.slices)
    address = ids.make_address("vm", wanted.name)
    standing = recorded.records.get(STACK, {})
    if address in standing:
        detail = f"`{address}` is deployed already."
        hint = "choose another name, or delete the VM that has it"
        raise Refused([Diagnostic("name-taken", "The name is taken", detail, address=address, hint=hint)])
    if any((thing.stack, thing.address) == (STACK, address) for thing in capacity.without_record(recorded, observed)):
        raise Refused([orphan_diagnostics.name_of_orphan(address)])
    vm, images = _load(folder, host, wanted)
    if vm.spec.get("mycelium") and overlays.NODE not in standing:
        raise Refused([_without_node(address)])
    vm, image = _settle_image(vm, images, standing)
    host = stack_plans.able(host, Desired(STACK, (vm,)), None)
    plan = imperative_vms.plan_added(STACK, (vm,) if image is None else (image, vm), recorded, observed, host.host)
    return stack_plans.without_file(plan, recorded, observed, host)


def _without_node(address: Address) -> Diagnostic:
    """Say that only a stack file brings a node of the overlay along."""
    from herocloud.plan import overlay_diagnostics

    detail = f"`{address}` wants an address on the overlay, and VMs that are deployed one by one have no node there."
    hint = "`plan_stack` takes a stack file in which the VM has `mycelium: true`; or deploy it without `mycelium`"
    return overlay_diagnostics.overlay_unknown(address, None)._replace(detail=detail, hint=hint)


def require_free(recorded: Recorded, host: Hosting, slices: Sequence[str]) -> None:
    """Raise unless all of these slices are there and free."""
    from herocloud.operations import host_status

    owners = inputs.slice_owners(recorded)
    machine = host_status.Machine(host, owners)
    for sid in slices:
        host_status.find_slice(machine, sid)
    taken = [sid for sid in slices if Sid(sid) in owners]
    if taken:
        raise slice_in_use(taken)


def slice_in_use(taken: Sequence[str]) -> SliceInUse:
    """Say that slices are in use, and not by whom: that may be nobody's business."""
    said = ", ".join(f"`{sid}`" for sid in taken)
    found = Diagnostic("slice-in-use", "Slice in use", f"{said} is in use.", hint="`list_slices` shows which are free")
    return SliceInUse([found])


def _load(folder: Path, host: Hosting, wanted: DeployWanted) -> tuple[Resource, list[Resource]]:
    """Read the VM as if a stack file had asked for it, so that the same checks and defaults apply."""
    fields = {**wanted.fields, "image": wanted.image, "slice": list(wanted.slices)}
    # Double braces would be expressions over what others have here; what a caller sends is text. A word that nobody can guess stands for
    # them while the stack is read.
    stand_in = f"braces-{os.urandom(16).hex()}"
    loaded = inputs.load(folder, Sources((_FROM_STDIN,), stdin=_write(wanted.name, _replaced(fields, "{{", stand_in))), host.host)
    if loaded.desired is None:
        lines = [_line_of(diagnostic) for diagnostic in loaded.diagnostics]
        about = [list(fields)[line] if line in range(len(fields)) else None for line in lines]
        wrong = [_for_a_caller(_without_place(diagnostic, stand_in), wanted.image) for diagnostic in loaded.diagnostics]
        # What is wrong elsewhere is in the catalogue of the host, of which a VM takes its image.
        elsewhere = any(diagnostic.place is not None and diagnostic.place.file != _STDIN for diagnostic in loaded.diagnostics)
        if elsewhere or "image" in about or any("image" in diagnostic.code for diagnostic in wrong):
            raise ImageRefused(wrong)
        raise FieldsRefused(wrong, about)
    vm = next(resource for resource in loaded.desired.resources if resource.kind == "vm")
    vm = vm._replace(spec=_replaced(vm.spec, stand_in, "{{"), literal=True, place=None)
    return vm, [resource for resource in loaded.desired.resources if resource.kind == "image"]


def _write(name: str, fields: Mapping[str, Json]) -> str:
    """Return a stack file with this VM, each field on a line of its own."""
    lines = [f"    {json.dumps(field)}: {_as_yaml(value)}" for field, value in fields.items()]
    return f'{{"stack": "{STACK}", "vms": {{{json.dumps(name)}: {{\n' + ",\n".join(lines) + "\n}}}\n"


def _as_yaml(value: Json) -> str:
    """Return a value on one line of YAML. JSON escapes what is beyond `_WIDEST` as a pair of surrogates, which YAML refuses."""
    return _NOT_ASCII.sub(lambda match: _escaped(ord(match.group())), json.dumps(value, ensure_ascii=False))


def _escaped(number: int) -> str:
    return f"\\u{number:04x}" if number <= _WIDEST else f"\\U{number:08x}"


def _line_of(diagnostic: Diagnostic) -> int:
    """Return which of the lines with fields a diagnostic is about; -1 where it is about another file, or about none."""
    return diagnostic.place.line - 2 if diagnostic.place is not None and diagnostic.place.file == _STDIN else -1


def _replaced(value: Json, old: str, new: str) -> Json:
    """Replace a text wherever it stands inside of a value."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(inner, old, new) for inner in value)
    return value


def _without_place(diagnostic: Diagnostic, stand_in: str) -> Diagnostic:
    # The text in which it stands was made here, and its lines say nothing to a caller.
    hint = None if diagnostic.hint is None else diagnostic.hint.replace(stand_in, "{{")
    return diagnostic._replace(place=None, snippet=None, detail=diagnostic.detail.replace(stand_in, "{{"), hint=hint)


def _for_a_caller(diagnostic: Diagnostic, image: str) -> Diagnostic:
    """Say what is wrong to somebody who has written no stack file."""
    if diagnostic.code != "unknown-image":
        return diagnostic
    hint = diagnostic.hint
    if hint is None or not hint.startswith("did you mean"):
        hint = "the file that `images: {catalogue: …}` of host.yaml names lists them"
    return diagnostic._replace(detail=f"The catalogue of this host has no image `{image}`.", hint=hint)


def _settle_image(vm: Resource, images: Sequence[Resource], standing: Mapping[Address, Record]) -> tuple[Resource, Resource | None]:
    """Share the image with the VMs that have the same one already; a newer one of the same name goes beside it."""
    if not images:
        return vm, None
    image = images[0]
    there = standing.get(image.address)
    if there is None:
        return vm, image
    from herocloud.plan import recorded_stack

    if jsons.digest(recorded_stack.resource_of(there).spec) == jsons.digest(_shaped_like(image, recorded_stack.resource_of(there).spec)):
        return vm, None
    name = f"{image.name}-{jsons.digest(image.spec)[:8]}"
    address = ids.make_address("image", name)
    newer = image._replace(address=address, name=name)
    needs = tuple(address if need == image.address else need for need in vm.depends_on)
    renamed = vm._replace(spec={**vm.spec, "image": name}, depends_on=needs)
    return renamed, None if address in standing else newer


def _shaped_like(image: Resource, recorded: Spec) -> Json:
    return {key: image.spec.get(key) for key in recorded}
