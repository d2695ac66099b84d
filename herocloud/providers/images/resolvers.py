"""The name servers that a guest is told: those of the host that a guest can reach too.

A resolver on the host's own loopback is no use inside of a VM, so the one behind it is looked for where systemd-resolved writes it down.
A host that tells none gets public ones, as container engines do: a guest with NAT and without names is what nobody expects.
"""

from pathlib import Path

PUBLIC = ("9.9.9.9", "1.1.1.1")
FILES = ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")


def find_servers(files: tuple[str, ...] = FILES) -> tuple[str, ...]:
    """Return at most three addresses, in the host's order."""
    for name in files:
        try:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        found = tuple(dict.fromkeys(server for line in text.splitlines() if (server := _server_of(line))))
        if found:
            return found[:3]
    return PUBLIC


def _server_of(line: str) -> str | None:
    """Return the address in a `nameserver` line, unless it is one that only the host itself can reach."""
    import ipaddress

    words = line.split()
    if len(words) < 2 or words[0] != "nameserver":
        return None
    try:
        address = ipaddress.ip_address(words[1])
    except ValueError:
        return None
    return None if address.is_loopback or address.is_link_local or address.is_unspecified else str(address)
