"""On which ports programs of this host wait for callers."""

from pathlib import Path

_WAITING = {"tcp": "0A", "udp": "07"}
"""How the kernel writes the state of a socket that waits for callers: listening, or not connected to anybody."""


def find_listeners() -> frozenset[tuple[str, int]]:
    """Read the ports on which somebody listens: pairs of protocol and port."""
    found = set()
    for protocol, state in _WAITING.items():
        for version in ("", "6"):
            path = Path(f"/proc/self/net/{protocol}{version}")
            # Without IPv6 in the kernel there is no second file.
            lines = path.read_text().splitlines()[1:] if path.exists() else ()
            found |= {(protocol, int(words[1].rpartition(":")[2], 16)) for line in lines if (words := line.split())[3] == state}
    return frozenset(found)
