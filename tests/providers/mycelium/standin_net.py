"""The network half of the stand-in daemon: a TUN device and packets over TCP to other stand-ins, by way of whole /64s.

Not Mycelium's protocol and not encrypted: each connection begins with the own subnet, subnets are passed on with their distance, and
packets go to whoever is nearest. That is enough to carry real traffic between hosts in namespaces.
"""

import fcntl
import ipaddress
import json
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SET_INTERFACE, TUN, NO_INFO = 0x400454CA, 0x0001, 0x1000
FAR = 16


class Link:
    """A connection to another stand-in."""

    def __init__(self, wire: socket.socket, endpoint: str) -> None:
        self.wire, self.endpoint = wire, endpoint
        self.sent = self.received = 0
        self.alive = True
        self._lock = threading.Lock()

    def send(self, kind: bytes, body: bytes) -> None:
        try:
            with self._lock:
                self.wire.sendall(struct.pack("!cI", kind, len(body)) + body)
            self.sent += len(body)
        except OSError:
            self.alive = False

    def receive(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        kind, length = struct.unpack("!cI", head)
        body = self._exactly(length)
        self.received += length
        return kind, body

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            got = self.wire.recv(length - len(found))
            if not got:
                raise OSError("gone")
            found += got
        return found


class Underlay:
    """Who is connected, which subnets they lead to, and the TUN that packets come from."""

    def __init__(self, address: str, port: int, tun: str | None, pace: float) -> None:
        self.address, self.subnet, self.pace = address, _subnet(address), pace
        self.links: list[Link] = []
        self.routes: dict[str, tuple[int, Link]] = {}
        self.counts: dict[str, dict[str, list[int]]] = {"source": {}, "target": {}}
        self._lock = threading.Lock()
        self._file = -1
        if tun is not None:
            self._file = open_tun(tun, address)
            threading.Thread(target=self._carry, daemon=True).start()
        if tun is None:
            # Run on the machine itself, without a namespace of its own.
            self._listener = socket.create_server(("127.0.0.1", port))
        else:
            self._listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=self._accept, daemon=True).start()

    def connect(self, endpoint: str, host: str, port: int, wanted: Callable[[], bool]) -> None:
        """Keep a connection to a peer up as long as it is wanted."""

        def forever() -> None:
            while wanted():
                try:
                    wire = socket.create_connection((host, port), timeout=2)
                    wire.settimeout(None)
                except OSError:
                    self._pause()
                    continue
                link = Link(wire, endpoint)
                closer = threading.Thread(target=self._close_when_unwanted, args=(link, wanted), daemon=True)
                closer.start()
                self._serve(link)
                self._pause()

        threading.Thread(target=forever, daemon=True).start()

    def link_to(self, endpoint: str) -> Link | None:
        return next((link for link in self.links if link.endpoint == endpoint and link.alive), None)

    def _pause(self) -> None:
        threading.Event().wait(self.pace)

    def _close_when_unwanted(self, link: Link, wanted: Callable[[], bool]) -> None:
        while wanted() and link.alive:
            threading.Event().wait(self.pace)
        link.alive = False
        link.wire.close()

    def _accept(self) -> None:
        while True:
            wire, where = self._listener.accept()
            host = where[0].removeprefix("::ffff:")
            name = f"tcp://{host}:{where[1]}" if "." in host else f"tcp://[{host}]:{where[1]}"
            threading.Thread(target=self._serve, args=(Link(wire, name),), daemon=True).start()

    def _serve(self, link: Link) -> None:
        with self._lock:
            self.links.append(link)
        self._announce(link, {self.subnet: 0, **{subnet: far for subnet, (far, _) in self.routes.items()}})
        try:
            while True:
                kind, body = link.receive()
                if kind == b"R":
                    self._learn(link, json.loads(body))
                else:
                    self._deliver(body)
        except (OSError, ValueError):
            pass
        link.alive = False
        with self._lock:
            self.links.remove(link)
            self.routes = {subnet: way for subnet, way in self.routes.items() if way[1] is not link}

    def _announce(self, link: Link, known: dict[str, int]) -> None:
        link.send(b"R", json.dumps(known).encode())

    def _learn(self, link: Link, known: dict[str, int]) -> None:
        better = {}
        with self._lock:
            for subnet, far in known.items():
                if subnet != self.subnet and far + 1 < min(FAR, self.routes.get(subnet, (FAR, link))[0]):
                    self.routes[subnet] = (far + 1, link)
                    better[subnet] = far + 1
            others = [one for one in self.links if one is not link]
        if better:
            for other in others:
                self._announce(other, better)

    def _carry(self) -> None:
        while True:
            self._deliver(os.read(self._file, 65535))

    def _deliver(self, packet: bytes) -> None:
        if len(packet) < 40 or packet[0] >> 4 != 6:
            return
        source, target = (str(ipaddress.IPv6Address(packet[at : at + 16])) for at in (8, 24))
        for name, side in ((source, "source"), (target, "target")):
            count = self.counts[side].setdefault(name, [0, 0])
            count[0] += 1
            count[1] += len(packet)
        subnet = _subnet(target)
        if subnet == self.subnet:
            if self._file >= 0:
                os.write(self._file, packet)
            return
        way = self.routes.get(subnet)
        if way is not None:
            way[1].send(b"P", packet)


def open_tun(name: str, address: str) -> int:
    """Make the TUN as the daemon does: MTU 1400, the node's address with /7, which makes the kernel add the route."""
    if Path(f"/sys/class/net/{name}").exists():
        raise SystemExit(f"Error: could not create tun device named {name}: Device or resource busy (os error 16)")
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, SET_INTERFACE, struct.pack("16sH22x", name.encode(), TUN | NO_INFO))
    for words in (
        ["link", "set", name, "mtu", "1400"],
        ["address", "add", f"{address}/7", "dev", name, "nodad"],
        ["link", "set", name, "up"],
    ):
        subprocess.run(["ip", *words], check=True)
    return descriptor


def _subnet(address: str) -> str:
    return f"{ipaddress.IPv6Address(int(ipaddress.IPv6Address(address)) >> 64 << 64)}/64"


def split(endpoint: str) -> tuple[str, str, int]:
    """Take an endpoint apart as the daemon does; raises ValueError with the daemon's words."""
    protocol, found, where = endpoint.partition("://")
    if not found:
        raise ValueError("missing leading protocol identifier")
    if protocol.lower() not in ("tcp", "quic", "tls", "vsock"):
        raise ValueError("protocol for endpoint is not supported")
    host, colon, port = where.rpartition(":")
    if protocol.lower() == "vsock":
        if not colon:
            raise ValueError("vsock address must be in CID:PORT format")
        return "vsock", str(int(host)), int(port)
    kind: Any = ipaddress.IPv6Address if host.startswith("[") else ipaddress.IPv4Address
    try:
        return protocol.lower(), str(kind(host.removeprefix("[").removesuffix("]"))), int(port)
    except ValueError:
        raise ValueError("failed to parse address: invalid socket address syntax") from None
