"""Bringing a network about, changing it and taking it away: bridge, address, rules, forwarding.

Each way leads from whatever is there, so making, changing, completing what a crash left and undoing are one function. Rules come first
and go last: there is no moment at which a bridge forwards what nobody filters.
"""

from collections.abc import Callable

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict
from herocloud.providers.network import checking, dumping, expressions, forwarding, guarding, marks, nftables, passing, recognising
from herocloud.providers.network.dumping import Link
from herocloud.providers.network.forwarding import Serving
from herocloud.providers.network.linking import Wires
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.scenes import Scene

Half = Callable[[], None]


def ensure(scene: Scene, wires: Wires, mark: Mark, part: Part, half: Half) -> None:
    """Bring a network to `part`."""
    name = part["bridge"]
    checking.check_name(name)
    link = checking.own_link(scene, name, mark)
    checking.check_range(scene, mark, part)
    checking.check_ports(scene, mark, part)
    chains = list(passing.build(mark, part))
    kept = forwarding.to_keep(scene.network_rules)
    nftables.change_rules(expressions.load(passing.FAMILY, passing.TABLE, [*([kept] if kept else []), *chains]))
    mac = marks.own_mac(mark.lineage, name)
    number = link.number if link else wires.add_bridge(name, mac, recognising.MTU)
    wanted = passing.port_of(part)
    alias = marks.write_mark(mark, wanted)
    if link is None or link.alias != alias:
        wires.set_alias(number, alias)
    forwarding.turn_on()
    forwarding.serve(name, Serving(forwarding=True, loopback=bool(part["forward"])))
    half()
    wires.set_bridge(number, mac, recognising.MTU)
    _address(scene, wires, number, link, part)
    for port in scene.ports_of(link) if link else ():
        if (port.isolated, port.hairpin) != wanted:
            wires.set_port(port.number, wanted)


def remove(scene: Scene, wires: Wires, mark: Mark, name: str, half: Half) -> None:
    """Take a network away, and with the last one everything that networks needed."""
    link = checking.own_link(scene, name, mark)
    if link is not None:
        _refuse_ports(scene, link, mark)
        wires.remove(link.number)
    half()
    gone = [chain for chain in passing.chain_names(name) if chain in scene.network_rules]
    commands = [*expressions.unload(passing.FAMILY, passing.TABLE, gone), *_drop_taps(scene)]
    if commands:
        nftables.change_rules(commands)
    if any(bridge != name for bridge in scene.networks) or not scene.has_table:
        return
    forwarding.turn_back(scene.network_rules)
    nftables.change_rules(expressions.drop_table(passing.FAMILY, passing.TABLE))


def _drop_taps(scene: Scene) -> list[Json]:
    """Return what takes away that a tap which was removed by hand has left behind; nobody else will come for it."""
    stale = [tap for tap in scene.tap_rules if tap not in scene.by_name]
    if set(stale) == set(scene.tap_rules):
        return expressions.drop_table(guarding.FAMILY, guarding.TABLE) if stale or scene.is_without_taps else []
    return expressions.unload(guarding.FAMILY, guarding.TABLE, stale)


def _address(scene: Scene, wires: Wires, number: int, link: Link | None, part: Part) -> None:
    prefix = int(part["cidr"].partition("/")[2])
    known = scene.addresses_of(link) if link else []
    for one in known:
        if (one.address, one.prefix) != (part["gateway"], prefix):
            wires.remove_address(number, one.address, one.prefix)
    if (part["gateway"], prefix) not in [(one.address, one.prefix) for one in known]:
        wires.add_address(number, part["gateway"], prefix)
    elif link and link.up and part["cidr"] not in [f"{one.destination}/{one.prefix}" for one in scene.routes_of(link)]:
        wires.add_route(number, dumping.network_of(part["gateway"], prefix), part["gateway"])


def _refuse_ports(scene: Scene, link: Link, mark: Mark) -> None:
    for port in scene.ports_of(link):
        found = scene.mark_of(port)
        who = marks.name_of_owner(found) if found else "somebody else"
        raise Conflict(
            f"`{mark.address}` is in use: `{port.name}` of {who} is a port of its bridge", fact=f"observed:{mark.stack}/{mark.address}"
        )
