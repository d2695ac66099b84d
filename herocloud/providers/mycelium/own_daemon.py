"""Our daemon on this host: run with what all stacks want of it, started again when that changes, ended with the last stack.

It is started by the keeper that VMMs have, which starts it again when it ends, and reads its command again each time. Peers stand in a
configuration file beside the key and not in that command: adding or removing a peer needs no restart, and any restart brings all of them
back.
"""

import shutil
import time
from pathlib import Path

from herocloud.kits import durable_files, jsons
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.mycelium import api, arithmetic, daemon_program, host_guard, iproute, memberships, node_interface, node_settings
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.node_interface import NodeInterface
from herocloud.providers.mycelium.node_settings import Settings
from herocloud.providers.vmm import identity, launch, orders
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

UNIT = "herocloud-mycelium"
_PATIENCE = 20.0
_STEP = 0.02


def record_of(data: Path) -> Path:
    """Return where the record of its process is."""
    return node_settings.folder_of(data) / identity.RECORD


def running(data: Path) -> Identity | None:
    """Return its process when it is proven to run."""
    known = identity.read(record_of(data))
    return known if known is not None and identity.is_alive(known) else None


def manage(data: Path, ours: Identity | None, key: Path, public: PublicKey, leaving: str | None = None) -> api.Node:
    """Have it run with this key and with what all stacks but one that is `leaving` want of it; `ours` is the one that runs."""
    program = daemon_program.find_program(f"no daemon answers on port {node_settings.API_PORT}; install it, or start one")
    settings = node_settings.read_or_choose(data)
    guard(data, settings, leaving)
    write_peers(data, leaving)
    command = _command(program, data, settings, key, leaving)
    what = Launch(record_of(data), command, Path(f"127.0.0.1:{settings.api}"), daemon_program.RESTART, {}, UNIT)
    if ours is not None and (ours.digest != jsons.digest(command) or _is_to_be_restarted(ours, settings, public)):
        _end_for_restart(data, ours)
        ours = None
    daemon_program.start(what, ours)
    answers = _wait(data, settings, public)
    if answers is None and ours is not None:
        # It was about to end when it was looked at, so nobody has started it yet.
        daemon_program.start(what, None)
        answers = _wait(data, settings, public)
    if answers is None:
        if iproute.link(settings.tun) is not None:
            raise Conflict(f"an interface `{settings.tun}` that is not the daemon's is in its way; rename or remove it")
        raise Permanent(f"the overlay daemon ended at once{launch.said(_log_of(data))}")
    interface = interface_of(data, answers)
    if interface is not None:
        node_interface.mend(interface)
    return answers


def stop(data: Path) -> None:
    """End it and forget what was chosen for it; its key stays."""
    record = record_of(data)
    process = running(data)
    if record.parent.exists():
        launch.keep(record, kept=False)
    if process is not None:
        daemon_program.end(process)
    settings = node_settings.read(data)
    if settings is not None:
        host_guard.remove(settings.tun)
    if record.parent.exists():
        launch.dismiss(record)
        orders.forget(record)
        shutil.rmtree(record.parent, ignore_errors=True)


def guard(data: Path, settings: Settings, leaving: str | None = None) -> None:
    """Close the host to the overlay, but for what all stacks but one that is `leaving` open."""
    host_guard.ensure(settings.tun, memberships.wanted_openings(data, leaving), settings.port)


def find_flaws_of_guard(data: Path) -> dict[str, str]:
    """Say how the host is not closed as `guard` leaves it while our daemon runs; empty when it is."""
    settings = node_settings.read(data)
    if settings is None or running(data) is None:
        return {}
    flaw = host_guard.flaw(settings.tun, memberships.wanted_openings(data), settings.port)
    return {"host_rules": flaw} if flaw is not None else {}


def write_peers(data: Path, leaving: str | None = None) -> None:
    """Write down which peers it has when it is started again."""
    folder = node_settings.folder_of(data)
    if folder.exists():
        listed = ", ".join(f'"{endpoint}"' for endpoint in memberships.wanted_peers(data, leaving))
        durable_files.write_durably(folder / "mycelium.toml", f"peers = [{listed}]\n".encode())


def interface_of(data: Path, node: api.Node) -> NodeInterface | None:
    """Return the interface that it is meant to have; nothing when it does not run."""
    ours, settings = running(data), node_settings.read(data)
    return NodeInterface(settings.tun, node.own_address, ours.pid) if ours is not None and settings is not None else None


def is_as_wanted(data: Path, leaving: str | None = None) -> bool:
    """Return whether it runs with the interfaces that are wanted now; the rest of its command never changes by itself."""
    ours, settings = running(data), node_settings.read(data)
    if ours is None or settings is None:
        return False
    try:
        words = Path(f"/proc/{ours.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        # It has just ended; what starts it again reads the command that was written for it.
        return True
    seen = [words[at + 1] for at, word in enumerate(words) if word == "--peer-discovery-interface"]
    return sorted(seen) == memberships.wanted_interfaces(data, leaving)


def _is_to_be_restarted(ours: Identity, settings: Settings, public: PublicKey) -> bool:
    interface = NodeInterface(settings.tun, arithmetic.node_address(public), ours.pid)
    return daemon_program.has_other_key(settings.api, public) or node_interface.is_lost(interface)


def _end_for_restart(data: Path, ours: Identity) -> None:
    launch.keep(record_of(data), kept=False)
    daemon_program.end(ours)
    launch.dismiss(record_of(data))


def _wait(data: Path, settings: Settings, public: PublicKey) -> api.Node | None:
    """Return what it says of itself once it answers; nothing when it has ended."""
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
            return node
        if running(data) is None and daemon_program.is_over(record_of(data)):
            return None
        if time.monotonic() > until:
            raise Temporary(f"the overlay daemon does not answer within {_PATIENCE:g} s{launch.said(_log_of(data))}")
        time.sleep(_STEP)


def _log_of(data: Path) -> Path:
    return record_of(data).with_name(f"{identity.RECORD}.log")


def _command(program: str, data: Path, settings: Settings, key: Path, leaving: str | None = None) -> list[str]:
    interfaces = memberships.wanted_interfaces(data, leaving)
    discovery = [word for name in interfaces for word in ("--peer-discovery-interface", name)] or ["--disable-peer-discovery"]
    words = [program, "--key-file", str(key), "--config-file", str(node_settings.folder_of(data) / "mycelium.toml")]
    words += ["--tcp-listen-port", str(settings.port), "--quic-listen-port", str(settings.port)]
    words += ["--api-addr", f"127.0.0.1:{settings.api}", "--jsonrpc-addr", f"127.0.0.1:{settings.rpc}"]
    return [*words, "--tun-name", settings.tun, *discovery]
