"""How far a step got, from one look at the world. Pure.

Done and not started are equality. Between the two lies what this provider leaves on its way: fields that are as before or as after, things
that are not set yet, remains without their interface. Any other value was put there by somebody else, and is named instead of overwritten.
"""

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.providers.network import checking, marks, networks, passing, recognising
from herocloud.providers.network.dumping import Link
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.scenes import Scene
from herocloud.providers.seam import Found, Probe, Work

_UNSET: tuple[Json, ...] = (None, False, [])


def probe(scene: Scene, work: Work) -> Probe:
    """Say how far a step got."""
    step = work.step
    mark, name = Mark(work.lineage, work.stack, step.address, step.part), name_of(work)
    link = scene.by_name.get(name)
    found = scene.mark_of(link) if link else None
    unmarked = link is not None and not link.alias and link.mac == marks.own_mac(mark.lineage, name)
    if link is not None and found != mark and not unmarked:
        return Probe(Found.CONTRADICTED, checking.foreign(link, found, mark))
    current = current_part(scene, mark, name)
    remains = _remains(scene, work, name)
    if unmarked:
        remains = [f"`{name}`, which has no mark yet", *remains]
    if current is None:
        ends = [one for one in (Found.DONE, Found.NOT_STARTED) if (step.after if one is Found.DONE else step.before) is None]
        if remains:
            return Probe(Found.PARTIAL, f"`{step.address}` is half-way; there is {', '.join(remains)}")
        return Probe(ends[0]) if ends else Probe(Found.CONTRADICTED, f"the {step.part} of `{step.address}` is gone")
    ports = _unsettled_ports(scene, link, current) if link and step.part == "network" else []
    if ports:
        return Probe(Found.PARTIAL, f"`{step.address}` is half-way; not yet ports as it wants them: {', '.join(ports)}")
    if current == step.after:
        return Probe(Found.DONE)
    if current == step.before:
        return Probe(Found.NOT_STARTED)
    strange = _strange(current, step.before, step.after)
    seen = _flat(current)
    words = ", ".join(f"{key} is {jsons.dumps(seen[key])}" for key in strange or _differing(seen, _flat(step.after or step.before)))
    state = Found.CONTRADICTED if strange else Found.PARTIAL
    return Probe(state, f"the {step.part} of `{step.address}` is neither as before nor as after `{step.kind}`: {words}")


def is_at(scene: Scene, work: Work, target: Part) -> bool:
    """Tell whether there is nothing left to do to be at `target`."""
    mark, name = Mark(work.lineage, work.stack, work.step.address, work.step.part), name_of(work)
    link = scene.by_name.get(name)
    if target is None:
        return link is None and not _remains(scene, work, name)
    if current_part(scene, mark, name) != target:
        return False
    return link is None or work.step.part != "network" or not _unsettled_ports(scene, link, target)


def current_part(scene: Scene, mark: Mark, name: str) -> Part:
    """Return the part as it is now; nothing when there is no interface of this name with this mark."""
    link = scene.by_name.get(name)
    if link is None or scene.mark_of(link) != mark:
        return None
    if mark.part == "network":
        return recognising.network_part(scene, link, mark)
    return recognising.nic_part(scene, link, mark)


def name_of(work: Work) -> str:
    """Return the name of the interface that a step is about."""
    part = work.step.after or work.step.before
    return str(part["bridge" if work.step.part == "network" else "tap"])


def _remains(scene: Scene, work: Work, name: str) -> list[str]:
    if name in scene.by_name:
        return []
    if work.step.part == "network":
        return recognising.left_of_network(scene, name) or networks.left_of_all(scene)
    return recognising.left_of_tap(scene, name)


def _unsettled_ports(scene: Scene, link: Link, part: Part) -> list[str]:
    """Name the ports of a network that are not isolated although they shall be, or the other way round."""
    wanted = passing.port_of(part)
    return [f"`{port.name}`" for port in scene.ports_of(link) if (port.isolated, port.hairpin) != wanted]


def _strange(current: Part, before: Part, after: Part) -> list[str]:
    """List the fields whose value is neither that of before, nor that of after, nor simply not set yet."""
    ends = [_flat(part) for part in (before, after) if part]
    return [
        key
        for key, value in _flat(current).items()
        if any(key in end for end in ends) and value not in [end.get(key) for end in ends] and value not in _UNSET
    ]


def _flat(part: Part) -> dict[str, Json]:
    """Spread the two directions of a rate, each of which is set by itself."""
    rate = part.get("rate") or {}
    spread = {f"rate.{direction}": rate.get(direction) for direction in ("download", "upload")} if "rate" in part else {}
    return {**{key: value for key, value in part.items() if key != "rate"}, **spread}


def _differing(current: Part, other: Part) -> list[str]:
    return [key for key in current if current[key] != other.get(key)]
