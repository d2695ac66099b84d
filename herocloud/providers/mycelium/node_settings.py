"""What was chosen for the daemon of this host when we first started it: ports that nobody had, and the name of its interface."""

import socket
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.model.errors import Permanent
from herocloud.providers.mycelium import iproute

FOLDER = "mycelium/node"
PORT = 9651
API_PORT = 8989
TUN = "mycelium"


class Settings(NamedTuple):
    """What was chosen when our daemon was first started; it stays, so that peers of this host find it again."""

    port: int
    """TCP and UDP, where other nodes connect."""
    api: int
    rpc: int
    tun: str


def folder_of(data: Path) -> Path:
    """Return the folder of our daemon."""
    return data / FOLDER


def read(data: Path) -> Settings | None:
    """Return what was chosen for our daemon; nothing when it was never started."""
    try:
        return Settings(**jsons.loads(_path_of(data).read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_or_choose(data: Path) -> Settings:
    """Return what was chosen for our daemon, or choose it now."""
    known = read(data)
    if known is not None:
        return known
    folder_of(data).mkdir(mode=0o700, parents=True, exist_ok=True)
    free = _free_port(API_PORT, set())
    chosen = Settings(_free_port(PORT, set()), free, _free_port(API_PORT + 1, {free}), _free_tun())
    durable_files.write_durably(_path_of(data), jsons.dumps(chosen._asdict()).encode())
    return chosen


def _path_of(data: Path) -> Path:
    return folder_of(data) / "settings.json"


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
