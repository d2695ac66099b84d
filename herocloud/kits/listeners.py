"""On which ports programs of this host wait for callers."""

from pathlib import Path
from typing import NamedTuple

_WAITING = {"tcp": "0A", "udp": "07"}
"""How the kernel writes the state of a socket that waits for callers: listening, or not connected to anybody."""


def find_listeners() -> frozenset[tuple[str, int]]:
    """Read the ports on which somebody listens: pairs of protocol and port."""
    ports = set()
    for protocol, state in _WAITING.items():
        for version in ("", "6"):
            path = Path(f"/proc/self/net/{protocol}{version}")
            # Without IPv6 in the kernel there is no second file.
            lines = path.read_text().splitlines()[1:] if path.exists() else ()
            ports |= {(protocol, int(words[1].rpartition(":")[2], 16)) for line in lines if (words := line.split())[3] == state}
    return frozenset(ports)


class Holder(NamedTuple):
    """Who listens on a TCP port."""

    socket: str
    """The kernel's number of the socket."""
    pid: int | None = None
    """Nothing where /proc does not tell: the process of another user, or of another container."""
    program: str = ""


def find_holder(port: int) -> Holder | None:
    """Return who listens on a TCP port of this network namespace; nothing where nobody does."""
    for name in ("tcp", "tcp6"):
        path = Path(f"/proc/thread-self/net/{name}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            words = line.split()
            if words[3] == _WAITING["tcp"] and int(words[1].rpartition(":")[2], 16) == port:
                return _name(words[9])
    return None


def _name(number: str) -> Holder:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(path.readlink()) == f"socket:[{number}]" for path in (folder / "fd").iterdir()):
                return Holder(number, int(folder.name), (folder / "comm").read_text().strip())
        except OSError:
            # It ended, or belongs to somebody else.
            continue
    return Holder(number)
