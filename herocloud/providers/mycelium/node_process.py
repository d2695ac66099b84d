"""The daemon of this host: found running, or run by us.

There is one node per host: two would both want the route 400::/7. Ours is started by the keeper that VMMs have, which starts it again when
it ends, and reads its command again each time. Peers stand in a configuration file beside the key and not in that command, so that a peer
more or less is no reason to restart, while a restart for any reason brings them back.
"""

import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons, listeners
from herocloud.kits.jsons import Json
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.overlays import ADOPT, MANAGE, NETWORK
from herocloud.providers.mycelium import api, arithmetic, host_guard, iproute, memberships, node_interface, silent_ports
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.node_interface import NodeInterface
from herocloud.providers.vmm import identity, launch
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

FOLDER = "mycelium/node"
PROGRAM = "mycelium"
PORT = 9651
API_PORT = 8989
TUN = "mycelium"
UNIT = "herocloud-mycelium"
_PATIENCE = 20.0
_KEEPER_PATIENCE = 2.0
_STEP = 0.02


class Settings(NamedTuple):
    """What was chosen when our daemon was first started; it stays, so that peers of this host find it again."""

    port: int
    """TCP and UDP, where other nodes connect."""
    api: int
    rpc: int
    tun: str


class Node(NamedTuple):
    """A daemon that answers."""

    api: int
    managed: bool
    node: api.Node


def folder_of(data: Path) -> Path:
    """Return the folder of our daemon."""
    return data / FOLDER


def record_of(data: Path) -> Path:
    """Return where the record of its process is."""
    return folder_of(data) / identity.RECORD


def running(data: Path) -> Identity | None:
    """Return our daemon's process when it is proven to run."""
    known = identity.read(record_of(data))
    return known if known is not None and identity.is_alive(known) else None


def find(data: Path) -> Node | None:
    """Return the daemon of this host: ours where it runs, else one that answers where daemons do."""
    ports = []
    settings = read_settings(data)
    if settings is not None and running(data) is not None:
        ports.append((settings.api, True))
    else:
        ports.append((API_PORT, False))
    for port, managed in ports:
        try:
            return Node(port, managed, _ask(port) if managed else silent_ports.ask(port, _ask))
        except (api.NotThere, Permanent):
            # Nobody, or another program on the usual port: ours then takes the next one.
            continue
    return None


def _ask(port: int, patience: float = api.PATIENCE) -> api.Node:
    with api.Client(port, patience=patience) as client:
        return client.node()


def ensure(data: Path, mode: str, key: Path, public: PublicKey) -> Node:
    """Have the daemon with this key run, one way or the other; returns it."""
    ours = running(data)
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
    if mode == ADOPT and ours is None and read_settings(data) is None:
        # Ours is as good as any other: it was set up for another stack, and a reboot brings it back, too.
        raise Permanent(f"no overlay daemon answers on port {API_PORT}; start it, or say `daemon: manage`")
    return manage(data, ours, key, public)


def stop(data: Path) -> None:
    """End our daemon and forget what was chosen for it; its key stays."""
    record = record_of(data)
    process = running(data)
    if record.parent.exists():
        launch.keep(record, kept=False)
    if process is not None:
        _end(process)
    settings = read_settings(data)
    if settings is not None:
        host_guard.remove(settings.tun)
    if record.parent.exists():
        launch.dismiss(record)
        shutil.rmtree(record.parent, ignore_errors=True)


def guard(data: Path, settings: Settings, leaving: str | None = None) -> None:
    """Close the host to the overlay, but for what all stacks but one that is `leaving` open."""
    host_guard.ensure(settings.tun, memberships.wanted_openings(data, leaving), settings.port)


def write_peers(data: Path, leaving: str | None = None) -> None:
    """Write down which peers our daemon has when it is started again."""
    folder = folder_of(data)
    if folder.exists():
        listed = ", ".join(f'"{endpoint}"' for endpoint in memberships.wanted_peers(data, leaving))
        durable_files.write_durably(folder / "mycelium.toml", f"peers = [{listed}]\n".encode())


def address_of(node: api.Node) -> str:
    """Return the address of a daemon, which one before 0.7.8 does not tell."""
    return node.address or arithmetic.node_address(PublicKey(node.public_key))


def interface_of(data: Path, found: Node) -> NodeInterface | None:
    """Return the interface of the daemon that was found; nothing for an adopted one that has none, or whose process cannot be looked at."""
    address = address_of(found.node)
    if not found.managed:
        holder = listeners.find_holder(found.api)
        return node_interface.of_adopted(holder.pid, address) if holder is not None and holder.pid is not None else None
    ours, settings = running(data), read_settings(data)
    return NodeInterface(settings.tun, address, ours.pid) if ours is not None and settings is not None else None


def _mend_adopted(data: Path, found: Node) -> None:
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


def flaws(data: Path, part: Mapping[str, object]) -> dict[str, Json]:
    """Name what is wrong with the daemon that a stack relies on; empty when nothing is."""
    subnet = part["subnet"]
    try:
        found = find(data)
    except Temporary:
        # It runs and is kept busy by somebody; that is no reason to restart it.
        return {}
    if found is None:
        return {"node": "not running"}
    if subnet is not None and found.node.subnet != subnet:
        return {"node": f"has {found.node.subnet}"}
    if found.managed and not is_as_wanted(data):
        return {"node": "runs with other settings"}
    odd: dict[str, Json] = {}
    # A network only peers with an adopted daemon, and needs nothing of its interface.
    interface = interface_of(data, found) if found.managed or part["mode"] != NETWORK else None
    if interface is not None:
        odd.update(node_interface.find_flaws(interface))
    settings = read_settings(data)
    if found.managed and settings is not None and not host_guard.is_whole(settings.tun, memberships.wanted_openings(data), settings.port):
        odd["host_rules"] = "missing"
    return odd


def peering_port(data: Path) -> int:
    """Return the port where the daemon of this host takes peers: ours where it runs, the usual one of any other."""
    settings = read_settings(data)
    return settings.port if settings is not None and running(data) is not None else PORT


def version() -> str | None:
    """Return the version of the program on this host; nothing without one."""
    from herocloud.kits import subprocesses as programs

    program = shutil.which(PROGRAM)
    if program is None:
        return None
    try:
        return programs.run([program, "-V"], timeout=10).stdout.strip().rpartition(" ")[2]
    except programs.CommandError:
        return None


def read_settings(data: Path) -> Settings | None:
    """Return what was chosen for our daemon; nothing when it was never started."""
    try:
        return Settings(**jsons.loads((folder_of(data) / "settings.json").read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def manage(data: Path, ours: Identity | None, key: Path, public: PublicKey, leaving: str | None = None) -> Node:
    """Have our daemon run with this key and with what all stacks but one that is `leaving` want of it; `ours` is the one that runs."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise Permanent(f"the program `{PROGRAM}` is not on PATH, and no daemon answers on port {API_PORT}; install it, or start one")
    settings = _settings(data)
    guard(data, settings, leaving)
    write_peers(data, leaving)
    command = _command(program, data, settings, key, leaving)
    what = Launch(record_of(data), command, Path(f"127.0.0.1:{settings.api}"), "always", {}, UNIT)
    address = arithmetic.node_address(public)
    if ours is not None and (
        ours.digest != jsons.digest(command)
        or has_other_key(settings.api, public)
        or node_interface.is_lost(NodeInterface(settings.tun, address, ours.pid))
    ):
        _end_for_restart(data, ours)
        ours = None
    start(what, ours)
    answers = _wait(data, settings, public)
    if answers is None and ours is not None:
        # It was about to end when it was looked at, so nobody has started it yet.
        start(what, None)
        answers = _wait(data, settings, public)
    if answers is None:
        if iproute.link(settings.tun) is not None:
            raise Conflict(f"an interface `{settings.tun}` that is not the daemon's is in its way; rename or remove it")
        raise Permanent(f"the overlay daemon ended at once{launch.said(_log_of(data))}")
    interface = interface_of(data, answers)
    if interface is not None:
        node_interface.mend(interface)
    return answers


def has_other_key(port: int, public: PublicKey) -> bool:
    """Return whether a daemon runs with another key than this one: a file keeps its name when its content is replaced."""
    with api.Client(port) as client:
        try:
            return client.node().public_key != public
        except api.NotThere:
            # It has just been started, or is about to end.
            return False


def start(what: Launch, ours: Identity | None) -> None:
    """Have a daemon run and be kept, unless `ours` runs already.

    A keeper without a daemon is at its end, or waits before it starts the next one: it is given a moment, and then replaced.
    """
    if ours is None:
        until = time.monotonic() + _KEEPER_PATIENCE
        while identity.is_held(what.record):
            known = identity.read(what.record)
            if known is not None and identity.is_alive(known):
                break
            if time.monotonic() > until:
                launch.dismiss(what.record)
            time.sleep(_STEP)
        else:
            launch.launch(what)
    launch.keep(what.record, kept=True)


def _end_for_restart(data: Path, ours: Identity) -> None:
    launch.keep(record_of(data), kept=False)
    _end(ours)
    launch.dismiss(record_of(data))


def _end(process: Identity) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        identity.send(process, number)
        if identity.wait_for_death(process, 10.0):
            return
    raise Temporary(f"the overlay daemon (process {process.pid}) does not end", 2.0)


def _wait(data: Path, settings: Settings, public: PublicKey) -> Node | None:
    """Return our daemon once it answers; nothing when it has ended."""
    until = time.monotonic() + _PATIENCE
    while True:
        with api.Client(settings.api) as client:
            try:
                node = client.node()
            except api.NotThere:
                node = None
        if node is not None and iproute.link(settings.tun) is not None:
            if node.public_key != public:
                raise Conflict("another overlay daemon answers on the port of ours; stop it")
            return Node(settings.api, managed=True, node=node)
        if running(data) is None and record_of(data).with_name(f"{identity.RECORD}.ended").exists():
            return None
        if time.monotonic() > until:
            raise Temporary(f"the overlay daemon does not answer within {_PATIENCE:g} s{launch.said(_log_of(data))}")
        time.sleep(_STEP)


def _log_of(data: Path) -> Path:
    return record_of(data).with_name(f"{identity.RECORD}.log")


def _settings(data: Path) -> Settings:
    known = read_settings(data)
    if known is not None:
        return known
    folder = folder_of(data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    free = _free_port(API_PORT, set())
    chosen = Settings(_free_port(PORT, set()), free, _free_port(API_PORT + 1, {free}), _free_tun())
    durable_files.write_durably(folder / "settings.json", jsons.dumps(chosen._asdict()).encode())
    return chosen


def _command(program: str, data: Path, settings: Settings, key: Path, leaving: str | None = None) -> list[str]:
    interfaces = memberships.wanted_interfaces(data, leaving)
    discovery = [word for name in interfaces for word in ("--peer-discovery-interface", name)] or ["--disable-peer-discovery"]
    words = [program, "--key-file", str(key), "--config-file", str(folder_of(data) / "mycelium.toml")]
    words += ["--tcp-listen-port", str(settings.port), "--quic-listen-port", str(settings.port)]
    words += ["--api-addr", f"127.0.0.1:{settings.api}", "--jsonrpc-addr", f"127.0.0.1:{settings.rpc}"]
    return [*words, "--tun-name", settings.tun, *discovery]


def is_as_wanted(data: Path, leaving: str | None = None) -> bool:
    """Return whether our daemon runs with the interfaces that are wanted now; the rest of its command never changes by itself."""
    ours, settings = running(data), read_settings(data)
    if ours is None or settings is None:
        return False
    try:
        words = Path(f"/proc/{ours.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        # It has just ended; what starts it again reads the command that was written for it.
        return True
    seen = [words[at + 1] for at, word in enumerate(words) if word == "--peer-discovery-interface"]
    return sorted(seen) == memberships.wanted_interfaces(data, leaving)


def _free_port(first: int, taken: set[int]) -> int:
    """Return the first port from here on that nobody has, for TCP and for UDP: a taken one ends the daemon, or its API, at once."""
    for port in range(first, first + 200):
        if port not in taken and all(_is_free(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return port
    raise Permanent(f"no port from {first} to {first + 199} is free for the overlay daemon")


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET6, kind) as probe:
        try:
            probe.bind(("::", port))
        except OSError:
            return False
    return True


def _free_tun() -> str:
    number = 0
    while True:
        name = f"{TUN}{number or ''}"
        if iproute.link(name) is None:
            return name
        number += 1
