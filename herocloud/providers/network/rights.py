"""The one right that networks need. A module of its own, because looking at a host without networks should load nothing more."""

from pathlib import Path

from herocloud.model.errors import Permanent

_NET_ADMIN = 12
"""The number of CAP_NET_ADMIN among the capabilities."""


def require_admin() -> None:
    """Refuse to work without CAP_NET_ADMIN."""
    if not has_admin():
        raise Permanent("networks need CAP_NET_ADMIN, which this process does not have; run it as root")


def has_admin() -> bool:
    """Tell whether this process may change interfaces and rules."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> _NET_ADMIN & 1)
