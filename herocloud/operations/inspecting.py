"""Looking at a stack file without planning it: what it asks for, what is wrong with it, its images."""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.worlds import Desired
from herocloud.operations import hosting, planning, reading, sources
from herocloud.operations.sources import Sources


class Inspected(NamedTuple):
    """A stack that can be planned."""

    desired: Desired
    notes: tuple[Diagnostic, ...]


def validate(folder: Path, stack: Sources) -> tuple[Diagnostic, ...]:
    """Return every finding about the stack files and the host file."""
    try:
        host = hosting.find_host(folder, reading.read_recorded(folder))
    except Refused as refused:
        loaded = sources.load(folder, stack, None)
        return (*refused.diagnostics, *loaded.diagnostics)
    loaded = sources.load(folder, stack, host.host)
    return (*host.diagnostics, *loaded.diagnostics)


def inspect(folder: Path, stack: Sources) -> Inspected:
    """Load the stack; raises Refused with everything that is wrong."""
    host = hosting.find_host(folder, reading.read_recorded(folder))
    loaded = sources.load(folder, stack, host.host)
    if loaded.desired is None:
        raise Refused([*host.diagnostics, *loaded.diagnostics])
    return Inspected(loaded.desired, (*host.diagnostics, *loaded.diagnostics))


def images(folder: Path, stack: Sources) -> list[dict[str, Json]]:
    """List the images of the stack, each with whether it is here and how large it is."""
    recorded = reading.read_recorded(folder)
    host = hosting.find_host(folder, recorded)
    loaded = sources.load(folder, stack, host.host)
    if loaded.desired is None:
        raise Refused([*host.diagnostics, *loaded.diagnostics])
    observed = planning.look(host, (loaded.desired.stack,))
    there = observed.things.get(loaded.desired.stack, {})
    return [
        {
            "name": one.name,
            "aliases": list(one.spec.get("aliases") or ()),
            "source": one.spec["source"] or one.spec.get("kernel"),
            "format": one.spec.get("format") or ("kernel" if one.spec.get("kernel") else None),
            "sha256": one.spec.get("sha256"),
            "present": "image" in there[one.address].parts if one.address in there else False,
            "size": observed.images.get(one.spec["source"] or ""),
        }
        for one in loaded.desired.resources
        if one.kind == "image"
    ]


def schema() -> Json:
    """Return the JSON Schema of stack files."""
    from herocloud.stack import schema as stacks

    return stacks.stack_schema()
