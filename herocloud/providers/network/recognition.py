"""From what was seen to parts, in exactly the shape in which plans hold them, and to how far a step got. Pure.

A part says what was asked for. What a plan does not speak of, and we set all the same (up, MTU, rules in full, the forwarding switch),
appears under a name of its own only when it is not as we leave it: as drift it is then seen, named and mended like any other field.

Of a step, done and not started are equality of parts. Between the two lies what this provider leaves on its way: fields that are as before
or as after, things that are not set yet, remains without their interface. Any other value was put there by somebody else, and is named
instead of overwritten.
"""

from collections.abc import Container
from typing import Any

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.model.steps import KINDS
from herocloud.providers.firewall.table_hooks import Hook, Surplus, Table
from herocloud.providers.network import dumps, inbound, links, marks, network_rules, preconditions, strange_routes, tap_rules
from herocloud.providers.network.dumps import Link, Queue
from herocloud.providers.network.marks import Mark, Purpose
from herocloud.providers.network.snapshot import Scene
from herocloud.providers.network.tap_rules import Guarded
from herocloud.providers.seam import Found, Probe, Work

MTU = 1500
_UNSET: tuple[Json, ...] = (None, False, [])


def network_part(scene: Scene, link: Link, mark: Mark) -> Part:
    """Return the part of a network."""
    seen = network_rules.read(scene.network_rules, mark, link.name, scene.network_hooks)
    addresses = scene.addresses_of(link)
    own = next(
        (address for address in addresses if dumps.network_of(address.address, address.prefix) == seen.cidr),
        addresses[0] if addresses else None,
    )
    cidr = dumps.network_of(own.address, own.prefix) if own else seen.cidr
    part: dict[str, Json] = {
        "cidr": cidr,
        "nat": seen.nat,
        "isolated": seen.isolated,
        "forward": seen.forward,
        "gateway": own.address if own else None,
        "bridge": link.name,
    }
    serving = scene.serving(link)
    more = [
        f"{other.address}/{other.prefix}"
        for other in (*(address for address in addresses if address is not own), *scene.addresses6_of(link))
    ]
    odd: dict[str, Any] = {
        "mtu": link.mtu if link.mtu != MTU else None,
        "stp": True if link.stp else None,
        "mac": link.mac if link.mac != marks.own_mac(mark.lineage, link.name) else None,
        "up": None if link.up else False,
        "forwarding": None if scene.forwards and serving.forwarding else False,
        "loopback": None if serving.loopback is bool(seen.forward) else serving.loopback,
        "rules": list(seen.wrong) or None,
        "rules_range": seen.cidr if own and seen.cidr not in (None, cidr) else None,
        "ports": None if seen.wrong or marks.read_port(link.alias) == network_rules.port_of(part) else "changed",
        "addresses": more or None,
        "route": "missing" if own and link.up and not scene.has_routes(link, str(cidr), own.address) else None,
        "routes": _strange_routes(scene, link, cidr) or None,
        "silent": None if serving.answers else True,
        "asking": None if serving.asks else False,
        "settings": list(link.odd) or None,
        "queues": odd_queues(scene, link, None),
        "entries": _fixed_entries(scene, link) or None,
        "table": _odd_table(scene.network_hooks),
        "surplus": scene.network_surplus.names() or None if scene.is_first(mark, "network") else None,
        powers.MARK: link.lost_mark or None,
        "unfinished": marks.is_unfinished(link.alias) or None,
    }
    return _with_odd(part, odd)


def _strange_routes(scene: Scene, link: Link, cidr: str | None) -> list[str]:
    found = scene.strange_routes_of(link, cidr) if cidr else []
    return sorted(strange_routes.words(route, scene.by_number[route.link].name if route.link in scene.by_number else "") for route in found)


def nic_part(scene: Scene, link: Link, mark: Mark) -> Part:
    """Return the part of a NIC, from its tap."""
    guarded = tap_rules.read(scene.tap_rules, link.name)
    purpose = marks.read_purpose(link.alias) or Purpose(guarded.mac if guarded else "", guarded.address if guarded else None, None)
    forwarded = guarded.upload if guarded else None
    detour = scene.by_name.get(forwarded) if forwarded else None
    beside = scene.by_name.get(marks.upload_device(link.name))
    upload = scene.rates.get(detour.number) if detour and detour.up else None
    download = scene.rates.get(link.number)
    master = scene.master_of(link)
    network = purpose.network or (_network_of(scene, master) if master else None)
    bridge = scene.bridge_under(mark, network, link) if network else None
    part: dict[str, Json] = {
        "network": network,
        "mac": purpose.mac,
        "address": purpose.address,
        "tap": link.name,
        "rate": {"download": download, "upload": upload} if download is not None or upload is not None else None,
    }
    wanted = Guarded(purpose.mac, purpose.address, forwarded)
    # The rules bear the name that the tap was made under, as its alias does.
    made = marks.read_mark(link.alias) or mark
    whole = guarded is not None and tap_rules.is_whole(scene.tap_rules, made, link.name, wanted, scene.tap_hooks)
    port = marks.read_port(bridge.alias) if bridge and master == bridge else None
    if network == marks.OVERLAY and part["address"]:
        part.update(_inbound(scene, mark, made, link, part["address"], bridge))
    odd: dict[str, Any] = {
        "guard": None if whole else "changed" if guarded else "missing",
        "bridge": None if master and master == bridge else master.name if master else "none",
        "up": None if link.up else False,
        "carrier": False if scene.is_unplugged(link) else None,
        "mtu": link.mtu if master and link.mtu != master.mtu else None,
        "isolated": link.isolated if port and link.isolated is not port.isolated else None,
        "hairpin": link.hairpin if port and link.hairpin is not port.hairpin else None,
        "detour": beside.name if not forwarded and beside else None,
        "multi_queue": True if link.multi_queue else None,
        "owner": None if scene.may_own(link.name, link.owner) else link.owner,
        "addresses": [f"{address.address}/{address.prefix}" for address in (*scene.addresses_of(link), *scene.addresses6_of(link))] or None,
        "settings": list(link.odd) or None,
        "queues": [*(odd_queues(scene, link, download) or ()), *((detour and odd_queues(scene, detour, upload)) or ())] or None,
        "table": _odd_table(scene.tap_hooks),
        "surplus": surplus_of_tap(scene, link, mark).names() or None,
        powers.MARK: link.lost_mark or (beside.lost_mark if beside else "") or None,
        "unfinished": marks.is_unfinished(link.alias) or None,
    }
    return _with_odd(part, odd)


def left_of_network(scene: Scene, bridge: str) -> list[str]:
    """Name what is left of a network whose bridge is gone."""
    return [f"chain `{chain}`" for chain in network_rules.chain_names(bridge) if chain in scene.network_rules]


def left_of_tap(scene: Scene, tap: str) -> list[str]:
    """Name what is left of a tap that is gone."""
    detour = marks.upload_device(tap)
    left = [f"`{detour}`"] if detour in scene.by_name else []
    if tap in scene.inbound_rules:
        left.append(f"what `{tap}` lets in")
    if tap in scene.tap_rules:
        # A kernel takes the rules of a device away with it, but never their table.
        return [f"the rules of `{tap}`", *left]
    return left or (["the table of taps"] if scene.is_without_taps else [])


def left_of_all(scene: Scene) -> list[str]:
    """Name what only a network needs while there is none."""
    return ["the table of networks"] if scene.has_table and not scene.other_networks("") else []


def odd_queues(scene: Scene, link: Link, rate: int | None) -> list[str] | None:
    """Name what is not as it is to be where an interface sends and receives; a limit that is missing shows as the rate."""
    odd = [f"{scene.ingresses[link.number].kind} on {link.name}"] if link.number in scene.ingresses else []
    queue = scene.queues.get(link.number)
    if queue is not None and queue.kind != "tbf" and queue.own:
        odd.append(f"{queue.kind} on {link.name}")
    elif queue is not None and queue.rate is not None and queue.burst is not None and not _is_bucket(queue, rate):
        odd.append(f"another bucket on {link.name}")
    if queue is not None and queue.own and (inner := scene.inner_queues.get(link.number)) is not None:
        odd.append(f"{inner.kind} inside {queue.kind} on {link.name}")
    return odd or None


def _is_bucket(queue: Queue, rate: int | None) -> bool:
    """Return whether a bucket is set as we set it; time is counted in steps, so its size may differ by a few bytes."""
    if rate is None:
        # The rate is drift by itself, or nobody limits this interface.
        return rate is not queue.rate
    wanted = links.make_bucket(rate)
    return queue.limit == wanted.limit and not queue.peak and abs((queue.burst or 0) - wanted.burst) <= max(64, wanted.burst // 100)


def surplus_of_tap(scene: Scene, link: Link, mark: Mark) -> Surplus:
    """Return what lies in the table of taps, is not ours and concerns this tap; what concerns none is shown at the first one."""
    if scene.tap_hooks is None:
        return Surplus()
    first = scene.is_first(mark, "nic")
    ours = {owned.link.name for owned in scene.owned}
    chains = tuple(name for name in scene.tap_surplus.chains if _concerns(scene.tap_hooks.chains[name], link.name, ours, first=first))
    return Surplus(chains, scene.tap_surplus.others if first else ())


def _concerns(hook: Hook | None, tap: str, ours: Container[str], *, first: bool) -> bool:
    devices = hook.devices if hook is not None else ()
    return tap in devices or (first and not any(device in ours for device in devices))


def _fixed_entries(scene: Scene, bridge: Link) -> list[str]:
    """Describe what somebody fixed about who is where on a bridge."""
    names = {entry: scene.by_number[entry.link].name for entry in scene.fixed_entries_of(bridge) if entry.link in scene.by_number}
    return sorted(entry.words(name) for entry, name in names.items())


def _odd_table(table: Table | None) -> str | None:
    return "switched off" if table is not None and table.flags else None


def _inbound(scene: Scene, mark: Mark, made: Mark, link: Link, address: str, bridge: Link | None) -> dict[str, Json]:
    """Return the open ports of a guest on the overlay, and what is not as it ought to be about them."""
    seen = inbound.read(scene.inbound_rules, link.name)
    openings = inbound.Openings(address, seen.ports) if seen else None
    whole = openings is not None and inbound.is_whole(scene.inbound_rules, made, link.name, openings, scene.inbound_hooks)
    odd = {
        "open": list(seen.ports) if seen and seen.ports else None,
        "inbound": None if whole else "changed" if seen else "missing",
        "proxy": "missing" if bridge and (bridge.number, address) not in scene.proxies else None,
        "inbound_surplus": scene.inbound_surplus.names() or None if scene.is_first(mark, "nic") else None,
    }
    return {key: value for key, value in odd.items() if value is not None}


def _network_of(scene: Scene, bridge: Link) -> str | None:
    mark = scene.networks.get(bridge.name)
    return mark.address.partition(".")[2] if mark else None


def _with_odd(part: dict[str, Json], odd: dict[str, Json]) -> Part:
    return {**part, **{key: value for key, value in odd.items() if value is not None}}


def probe(scene: Scene, work: Work) -> Probe:
    """Say how far a step got."""
    step = work.step
    mark, name = marks.owner_of(work), name_of(work)
    link = scene.by_name.get(name)
    found = scene.mark_of(link) if link else None
    unmarked = link is not None and preconditions.is_unmarked(link, mark)
    if link is not None and found != mark and not unmarked:
        return Probe(Found.CONTRADICTED, preconditions.foreign(link, found, mark))
    current = current_part(scene, mark, name)
    remains = _remains(scene, work, name)
    if unmarked:
        remains = [f"`{name}`, which has no mark yet", *remains]
    if KINDS[step.kind].passes:
        return _probe_discard(work, current, [f"`{name}`", *remains] if link is not None else remains)
    if current is None:
        ends = [end for end in (Found.DONE, Found.NOT_STARTED) if (step.after if end is Found.DONE else step.before) is None]
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


def _probe_discard(work: Work, current: Part, remains: list[str]) -> Probe:
    """Say whether anything is left of what was half made."""
    if current is not None and not current.get("unfinished"):
        return Probe(Found.CONTRADICTED, f"the {work.step.part} of `{work.step.address}` was half made, and is whole by now")
    return Probe(Found.PARTIAL, f"`{work.step.address}` is half made; there is {', '.join(remains)}") if remains else Probe(Found.DONE)


def is_at(scene: Scene, work: Work, target: Part) -> bool:
    """Return whether there is nothing left to do to be at `target`."""
    mark, name = marks.owner_of(work), name_of(work)
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
        return network_part(scene, link, mark)
    return nic_part(scene, link, mark)


def name_of(work: Work) -> str:
    """Return the name of the interface that a step is about."""
    part = work.step.after or work.step.before
    return str(part["bridge" if work.step.part == "network" else "tap"])


def _remains(scene: Scene, work: Work, name: str) -> list[str]:
    if name in scene.by_name:
        return []
    if work.step.part == "network":
        return left_of_network(scene, name) or left_of_all(scene)
    return left_of_tap(scene, name)


def _unsettled_ports(scene: Scene, link: Link, part: Part) -> list[str]:
    """Name the ports of a network that are not isolated although they should be, or the other way round."""
    wanted = network_rules.port_of(part)
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
