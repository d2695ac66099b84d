"""The daemon of a network: it runs in the network's namespace, with a key of its own and the host's node as its only peer."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.mycelium import (
    api,
    arithmetic,
    daemon_program,
    iproute,
    key_references,
    namespace_calls,
    node_interface,
    node_settings,
)
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.key_references import Reference
from herocloud.providers.mycelium.network_namespace import NetworkNamespace
from herocloud.providers.mycelium.node_interface import NodeInterface
from herocloud.providers.vmm import identity, launch, orders
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

FOLDER = "mycelium/networks"
TUN = "my0"
"""Its interface inside the namespace."""
_PATIENCE = 20.0
_LOOKING_PATIENCE = 3.0
_STEP = 0.02


class NetworkDaemon(NamedTuple):
    """The daemon of one network."""

    folder: Path
    """What it has in the data folder."""
    place: NetworkNamespace
    subnet: str

    def process(self) -> Identity | None:
        """Return its process when it is proven to run."""
        known = identity.read(self._record)
        return known if known is not None and identity.is_alive(known) else None

    def ensure(self, data: Path, key: Reference, port: int, environment: Mapping[str, str], public: PublicKey) -> None:
        """Have it run with this key, as a peer of the node of the host, which takes peers on `port`."""
        program = daemon_program.find_program("this network needs a daemon of its own; install it")
        path = key_references.place(data, self.folder, key, environment, self.subnet)
        command = ["ip", "netns", "exec", self.place.name, program, "--key-file", str(path), "--tun-name", TUN, "--disable-quic"]
        command += ["--disable-peer-discovery", "--peers", f"tcp://[{self.place.near}]:{port}"]
        what = Launch(self._record, command, Path(self.place.name), daemon_program.RESTART, {}, f"herocloud-mycelium-{self.place.cable}")
        address = arithmetic.node_address(public)
        ours = self.process()
        if ours is not None and (ours.digest != jsons.digest(command) or self._is_to_be_restarted(ours, public, address)):
            self.stop()
            ours = None
        daemon_program.start(what, ours)
        process = self._wait()
        if node_interface.find_lasting_flaws(self._interface(process, address), process):
            node_interface.mend(self._interface(process, address))

    def stop(self) -> None:
        """End it."""
        if not self.folder.exists():
            return
        launch.keep(self._record, kept=False)
        process = self.process()
        if process is not None:
            daemon_program.end(process)
        launch.dismiss(self._record)
        orders.forget(self._record)

    def find_flaws(self, *, reachable: bool) -> dict[str, Json]:
        """Name what is not as `ensure` leaves it; empty when all is well. Its API is not `reachable` without the loopback."""
        process = self.process()
        if process is None or not iproute.lives_in(process.pid, self.place.name):
            return {"daemon_process": "missing"}
        node = _ask(process) if reachable else None
        if node is not None and node.subnet != self.subnet:
            return {"daemon_process": f"has {node.subnet}"}
        address = "" if node is None else node.own_address
        flaws = node_interface.find_lasting_flaws(self._interface(process, address), process)
        flaws |= daemon_program.find_flaws_of_keeper(self._record)
        return {f"network_{name}": flaw for name, flaw in flaws.items()}

    @property
    def _record(self) -> Path:
        return self.folder / identity.RECORD

    def _interface(self, process: Identity, address: str) -> NodeInterface:
        return NodeInterface(TUN, address, process.pid, self.place.name)

    def _is_to_be_restarted(self, process: Identity, public: PublicKey, address: str) -> bool:
        # One that was started before the namespace was made again lives in the old one.
        if not iproute.lives_in(process.pid, self.place.name) or node_interface.is_lost(self._interface(process, address)):
            return True
        return namespace_calls.call_beside(process.pid, lambda: daemon_program.has_other_key(node_settings.API_PORT, public))

    def _wait(self) -> Identity:
        """Return its process once it has an interface."""
        until = time.monotonic() + _PATIENCE
        while True:
            process = self.process()
            if process is not None and TUN in (node_interface.held_by(process.pid) or ()):
                return process
            if time.monotonic() > until:
                log = self._record.with_name(f"{identity.RECORD}.log")
                raise Temporary(f"the daemon of this network has no interface within {_PATIENCE:g} s{launch.said(log)}")
            time.sleep(_STEP)


def _ask(process: Identity) -> api.Node | None:
    """Return what a daemon says of itself; nothing while it is being started, or kept busy by somebody."""

    def ask() -> api.Node:
        with api.Client(node_settings.API_PORT, patience=_LOOKING_PATIENCE) as client:
            return client.node()

    try:
        return namespace_calls.call_beside(process.pid, ask)
    except (Temporary, Permanent):
        return None
