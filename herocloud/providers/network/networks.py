"""Bringing a network about, changing it and taking it away: bridge, address, rules, forwarding.

Each way leads from whatever is there, so making, changing, completing what a crash left and undoing are one function. Rules are loaded
first and removed last, so a bridge never forwards unfiltered traffic. Both the rules and the alias of the bridge name their owner, and the
alias says unfinished until the bridge has its address: whatever an interruption leaves can be traced to its owner.
"""

from collections.abc import Callable

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.network import (
    forward_switch,
    marks,
    network_rules,
    nftables,
    preconditions,
    recognition,
    tap_rules,
)
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.forward_switch import Serving
from herocloud.providers.network.links import Wires
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.snapshot import Scene

Half = Callable[[], None]


def ensure(scene: Scene, wires: Wires, mark: Mark, part: Part, half: Half) -> None:
    """Bring a network to `part`."""
    name = part["bridge"]
    preconditions.check_name(name)
    link = preconditions.own_link(scene, name, mark)
    preconditions.check_range(scene, mark, part)
    preconditions.check_ports(scene, mark, part)
    chains = list(network_rules.build(mark, part))
    kept = forward_switch.to_keep(scene.network_rules)
    family, table = network_rules.FAMILY, network_rules.TABLE
    for commands in table_hooks.mend(family, table, scene.network_hooks, chains, scene.network_surplus, scene.network_rules):
        nftables.change_rules(commands)
    nftables.change_rules(rule_expressions.load(family, table, [*([kept] if kept else []), *chains]))
    mac = marks.own_mac(mark.lineage, name)
    wanted = network_rules.port_of(part)
    unfinished = link is None or marks.read_mark(link.alias) is None or marks.is_unfinished(link.alias)
    alias = marks.write_mark(mark, wanted, unfinished=unfinished)
    number = link.number if link else wires.add_bridge(name, mac, recognition.MTU, alias)
    if link is not None and (link.alias != alias or link.lost_mark):
        wires.set_alias(number, alias)
    forward_switch.turn_on()
    forward_switch.serve(name, Serving(forwarding=True, loopback=bool(part["forward"])))
    half()
    if link and link.odd:
        wires.reset_bridge(number, link.odd)
        if "xdp" in link.odd:
            wires.drop_program(number)
    if link:
        clear_queues(scene, wires, link, limited=False)
        for entry in scene.fixed_entries_of(link):
            wires.forget(entry)
        wires.restore_mtu(link, recognition.MTU)
    wires.set_bridge(number, mac, recognition.MTU)
    _address(scene, wires, number, link, part)
    if link is not None:
        _lead(scene, wires, link, part)
    for port in scene.ports_of(link) if link else ():
        if (port.isolated, port.hairpin) != wanted:
            wires.set_port(port.number, wanted)
    if unfinished:
        wires.set_alias(number, marks.write_mark(mark, wanted))


def remove(scene: Scene, wires: Wires, mark: Mark, name: str, half: Half) -> None:
    """Take a network away, and with the last one everything that networks needed."""
    link = preconditions.own_link(scene, name, mark)
    if link is not None:
        _refuse_ports(scene, link, mark)
        wires.remove(link.number)
    half()
    commands = _drop_taps(scene)
    if scene.has_table and not scene.other_networks(name):
        # Its rules name their owner until all else is gone.
        forward_switch.turn_back(scene.network_rules)
        commands += rule_expressions.drop_table(network_rules.FAMILY, network_rules.TABLE)
    elif gone := [chain for chain in network_rules.chain_names(name) if chain in scene.network_rules]:
        commands += rule_expressions.unload(network_rules.FAMILY, network_rules.TABLE, gone)
    if commands:
        nftables.change_rules(commands)


def _drop_taps(scene: Scene) -> list[Json]:
    """Return what takes away that a tap which was removed by hand has left behind; nobody else will come for it."""
    stale = [tap for tap in scene.tap_rules if tap not in scene.by_name]
    if set(stale) == set(scene.tap_rules):
        return rule_expressions.drop_table(tap_rules.FAMILY, tap_rules.TABLE) if stale or scene.is_without_taps else []
    return rule_expressions.unload(tap_rules.FAMILY, tap_rules.TABLE, stale)


def clear_queues(scene: Scene, wires: Wires, link: Link, *, limited: bool) -> None:
    """Take away the queues of an interface that are not ours; its limit stays for one that is to have one."""
    queue, ingress = scene.queues.get(link.number), scene.ingresses.get(link.number)
    if queue is not None and queue.own and queue.kind != "tbf":
        wires.drop_queue(link.number, queue.kind)
    elif queue is not None and queue.rate is not None and (not limited or link.number in scene.inner_queues):
        wires.unlimit(link.number)
    if ingress is not None:
        wires.drop_ingress(link.number, ingress.kind)


def _address(scene: Scene, wires: Wires, number: int, link: Link | None, part: Part) -> None:
    prefix = int(part["cidr"].partition("/")[2])
    known = scene.addresses_of(link) if link else []
    for address in (*known, *(scene.addresses6_of(link) if link else ())):
        if (address.address, address.prefix) != (part["gateway"], prefix):
            wires.remove_address(number, address.address, address.prefix)
    if (part["gateway"], prefix) not in [(address.address, address.prefix) for address in known]:
        wires.add_address(number, part["gateway"], prefix)


def _lead(scene: Scene, wires: Wires, link: Link, part: Part) -> None:
    """Have what is sent to a network get there."""
    # None of them leads to another interface of the host: then the range would be taken.
    for route in scene.strange_routes_of(link, part["cidr"]):
        wires.remove_route(route)
    if link.up and not scene.has_routes(link, part["cidr"], part["gateway"]):
        wires.lead(link.number, part["cidr"], part["gateway"])


def _refuse_ports(scene: Scene, link: Link, mark: Mark) -> None:
    for port in scene.ports_of(link):
        found = scene.mark_of(port)
        who = marks.name_of_owner(found) if found else "somebody else"
        raise Conflict(f"`{mark.address}` is in use: `{port.name}` of {who} is a port of its bridge")
