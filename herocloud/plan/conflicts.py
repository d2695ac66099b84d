"""What networks want of the host that somebody else has: addresses and ports. A plan that leaves it to the steps to find out would lie."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from herocloud.kits.jsons import Json, Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic, Place
from herocloud.model.ids import Address, StackName
from herocloud.model.steps import Step
from herocloud.model.worlds import Observed, Recorded, TakenRange
from herocloud.plan import capacity, network_diagnostics
from herocloud.providers import registry

Port = tuple[str, int]
"""Protocol and number."""
_MADE = ("network.create", "network.update")


def find_strangers(steps: Iterable[Step], strangers: Collection[str], places: Mapping[Address, Place | None]) -> Iterator[Diagnostic]:
    """Find networks and cards whose interface would have the name of one that is not ours."""
    for step in steps:
        if step.part == "network" or step.part.startswith("nic."):
            name = (step.after or {}).get("bridge" if step.part == "network" else "tap")
            if isinstance(name, str) and name in strangers and registry.network(step.provider).uses_host_ranges:
                yield network_diagnostics.interface_taken(step.address, name, places.get(step.address))


def find_ranges(steps: Iterable[Step], taken: Sequence[TakenRange], places: Mapping[Address, Place | None]) -> Iterator[Diagnostic]:
    """Find bridged networks that would share addresses with something that the host has or reaches already."""
    import ipaddress

    for step in steps:
        if step.kind not in _MADE or not registry.network(step.provider).uses_host_ranges:
            continue
        wanted = ipaddress.ip_network(step.after["cidr"])
        for held in taken:
            if wanted.overlaps(ipaddress.ip_network(held.cidr)):
                yield network_diagnostics.range_held(step.address, step.after["cidr"], held, places.get(step.address))
                break


class _Network(NamedTuple):
    """A network that somebody else has: another stack, or nobody who is recorded."""

    stack: StackName
    address: Address
    provider: str
    part: Part
    whose: str


def find_shared_ranges(
    stack: StackName,
    steps: Iterable[Step],
    recorded: Recorded,
    observed: Observed | None,
    places: Mapping[Address, Place | None],
    changed: Collection[Address],
) -> Iterator[Diagnostic]:
    """Find networks that would share addresses with another one, on a simulated host as on a real one.

    `changed` are the networks of this stack that the plan is about, under their old names and their new ones.
    """
    wanted = [step for step in steps if step.kind in _MADE and (step.before or {}).get("cidr") != step.after.get("cidr")]
    if not wanted:
        return
    # ipaddress costs 3 ms, which a plan without new networks does not owe.
    import ipaddress

    others = [
        (ipaddress.ip_network(one.part["cidr"]), one)
        for one in _networks(stack, recorded, observed, changed)
        if one.part.get("cidr") and shares_ranges(one.provider)
    ]
    for step in wanted:
        if not step.after.get("cidr") or not shares_ranges(step.provider):
            continue
        for cidr, network in others:
            if (network.stack, network.address) != (stack, step.address) and ipaddress.ip_network(step.after["cidr"]).overlaps(cidr):
                who = f"{cidr} in {network.whose}"
                own = network.address if network.stack == stack and network.address in recorded.records.get(stack, {}) else None
                yield network_diagnostics.range_taken(step.address, step.after["cidr"], who, places.get(step.address), own)
                break


def overlap(one: str, other: str) -> bool:
    """Return whether two ranges have an address in common."""
    import ipaddress

    return ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other))


def _networks(stack: StackName, recorded: Recorded, observed: Observed | None, changed: Collection[Address]) -> Iterator[_Network]:
    """Yield the networks of other stacks, those of this stack that the plan leaves alone, and those on the host that no record owns."""
    things = observed.things.get(stack, {}) if observed is not None else None
    for address, record in recorded.records.get(stack, {}).items():
        if record.kind == "network" and address not in changed and (address in things if things is not None else record.parts):
            yield _Network(stack, address, record.provider, record.spec, f"`{address}` of this stack, which the plan leaves alone")
    for other, records in recorded.records.items():
        for record in records.values() if other != stack else ():
            if record.kind == "network":
                yield _Network(other, record.address, record.provider, record.spec, f"`{record.address}` of stack `{other}`")
    for thing in capacity.without_record(recorded, observed) if observed is not None else ():
        if "network" in thing.parts:
            whose = f"`{thing.address}` of stack `{thing.stack}`, which is on this host and has no record"
            yield _Network(thing.stack, thing.address, thing.provider, thing.parts["network"], whose)


def shares_ranges(provider: str) -> bool:
    """Return whether the addresses of its networks are seen by the whole host; others are inside of one process."""
    return registry.network(provider).uses_host_ranges or registry.is_simulated(provider)


def new_ports(steps: Iterable[Step]) -> dict[Port, Address]:
    """Return the ports of the host that these steps would publish and that were not published before, with their networks."""
    return {port: step.address for step in steps if step.kind in _MADE for port in ports(step.after).keys() - ports(step.before).keys()}


def find_ports(
    stack: StackName,
    wanted: Mapping[Port, Address],
    recorded: Recorded,
    observed: Observed | None,
    listeners: frozenset[Port],
    changed: Collection[Address] = (),
) -> Iterator[Diagnostic]:
    """Find ports that another network publishes, or on which a program of the host listens that is none of this stack's VMs."""
    others = {
        port: f"{network.whose}{',' if ',' in network.whose else ''} publishes it already"
        for network in _networks(stack, recorded, observed, changed)
        for port in ports(network.part)
        if (network.stack, network.address) != (stack, wanted.get(port))
    }
    own = {port for record in recorded.records.get(stack, {}).values() if record.kind == "network" for port in ports(record.spec)}
    for port, address in sorted(wanted.items(), key=lambda item: (item[1], item[0])):
        who = others.get(port) or ("a program of this host listens on it" if port in listeners - own else None)
        if who is not None:
            yield network_diagnostics.port_taken(address, f"{port[1]}/{port[0]}", who)


def ports(network: Mapping[str, Json] | None) -> dict[Port, Json]:
    """Return the rules of a network by the port of the host that each publishes."""
    return {(rule["protocol"], rule["host_port"]): rule for rule in (network or {}).get("forward") or ()}
