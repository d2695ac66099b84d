"""The daemon of this host, whichever it is: ours, or one that somebody else started and that is adopted.

There is one per host: two would both want the route 400::/7.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import listeners
from herocloud.kits.jsons import Json
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.overlays import ADOPT, MANAGE, NETWORK
from herocloud.providers.mycelium import api, arithmetic, daemon_program, node_interface, node_settings, own_daemon, silent_ports
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.node_interface import NodeInterface


class HostDaemon(NamedTuple):
    """A daemon that answers."""

    api: int
    managed: bool
    node: api.Node


def find(data: Path) -> HostDaemon | None:
    """Return the daemon of this host: ours where it runs, else one that answers where daemons do."""
    settings = node_settings.read(data)
    managed = settings is not None and own_daemon.running(data) is not None
    port = settings.api if settings is not None and managed else node_settings.API_PORT
    try:
        return HostDaemon(port, managed, _ask(port) if managed else silent_ports.ask(port, _ask))
    except (api.NotThere, Permanent):
        # Nobody, or another program on the usual port: ours then takes the next one.
        return None


def ensure(data: Path, mode: str, key: Path, public: PublicKey) -> HostDaemon:
    """Have the daemon with this key run, one way or the other; returns it."""
    ours = own_daemon.running(data)
    if ours is None:
        found = find(data)
        if found is not None:
            if found.node.public_key != public:
                raise Conflict(
                    f"the overlay daemon that runs on this host has another key: its subnet is {found.node.subnet}, and the plan's is "
                    f"{arithmetic.node_subnet(public)}; name its key file (`mycelium: {{key: {{file: …}}}}`), or stop it",
                )
            if mode == MANAGE:
                raise Conflict("an overlay daemon runs on this host that herocloud did not start; say `daemon: adopt`, or stop it")
            _mend_adopted(data, found)
            return found
    if mode == ADOPT and ours is None and node_settings.read(data) is None:
        # Ours is as good as any other: it was set up for another stack, and a reboot brings it back, too.
        raise Permanent(f"no overlay daemon answers on port {node_settings.API_PORT}; start it, or say `daemon: manage`")
    node = own_daemon.manage(data, ours, key, public)
    return HostDaemon(node_settings.read_or_choose(data).api, managed=True, node=node)


def find_flaws(data: Path, part: Mapping[str, object]) -> dict[str, Json]:
    """Name what is wrong with the daemon that a stack relies on; empty when nothing is."""
    subnet = part["subnet"] if part["mode"] != NETWORK else None
    try:
        found = find(data)
    except Temporary:
        # It runs but is busy with another caller, so do not restart it. The rules that guard the host can still be checked.
        return {**own_daemon.find_flaws_of_guard(data)}
    if found is None:
        return {"node": "not running"}
    if subnet is not None and found.node.subnet != subnet:
        return {"node": f"has {found.node.subnet}"}
    if found.managed and not own_daemon.is_as_wanted(data):
        return {"node": "runs with other settings"}
    flaws: dict[str, Json] = {}
    # A network only peers with an adopted daemon, and needs nothing of its interface.
    interface = interface_of(data, found) if found.managed or part["mode"] != NETWORK else None
    if interface is not None:
        flaws.update(node_interface.find_flaws(interface))
    if found.managed:
        flaws.update(own_daemon.find_flaws_of_guard(data))
        flaws.update(daemon_program.find_flaws_of_keeper(own_daemon.record_of(data)))
    return flaws


def interface_of(data: Path, found: HostDaemon) -> NodeInterface | None:
    """Return the interface of a daemon; nothing for an adopted one that has none, or whose process cannot be looked at."""
    if found.managed:
        return own_daemon.interface_of(data, found.node)
    holder = listeners.find_holder(found.api)
    return node_interface.of_adopted(holder.pid, found.node.own_address) if holder is not None and holder.pid is not None else None


def peering_port(data: Path) -> int:
    """Return the port where it takes peers: ours where it runs, the usual one of any other."""
    settings = node_settings.read(data)
    return settings.port if settings is not None and own_daemon.running(data) is not None else node_settings.PORT


def _mend_adopted(data: Path, found: HostDaemon) -> None:
    """Put back what was taken from the interface of an adopted daemon; its process is somebody else's, and never started again."""
    interface = interface_of(data, found)
    if interface is None:
        return
    if node_interface.is_lost(interface):
        raise Permanent(
            f"the overlay daemon of this host (process {interface.pid}), which herocloud did not start, has lost its interface; start the "
            "daemon again, and then plan again",
        )
    node_interface.mend(interface)


def _ask(port: int, patience: float = api.PATIENCE) -> api.Node:
    with api.Client(port, patience=patience) as client:
        return client.node()
