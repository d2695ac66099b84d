"""systemd's side of a service: readiness, watchdog, and sockets that were opened for us. Without systemd all of it does nothing."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import subprocesses

_FIRST_DESCRIPTOR = 3
_RUNS = Path("/run/systemd/system")
"""There where systemd runs the host."""


def notify(message: str, environment: Mapping[str, str]) -> bool:
    """Send a message to the service manager, if there is one; tells whether it was sent."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # The name of an abstract socket is written with `@` and begins with a zero byte.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(target)
            channel.sendall(message.encode())
    except OSError:
        # A service manager that went away is no reason to stop the daemon.
        return False
    return True


def is_host_going_down() -> bool:
    """Return whether the host is being switched off or rebooted, which ends all VMs, and often before the daemon."""
    if not _RUNS.is_dir():
        return False
    try:
        return subprocesses.run(["systemctl", "is-system-running"], timeout=10, codes=(0, 1)).stdout.strip() == "stopping"
    except subprocesses.CommandError:
        return False


def watchdog_seconds(environment: Mapping[str, str], pid: int) -> float | None:
    """Return how often the watchdog wants to hear of us: half of what it waits; nothing when it does not watch this process."""
    text = environment.get("WATCHDOG_USEC", "")
    if not text.isdecimal() or int(text) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(text) / 2_000_000


def take_sockets(environment: Mapping[str, str], pid: int) -> list[socket.socket]:
    """Return the listening sockets that the service manager opened for this process, none of which a child inherits."""
    if environment.get("LISTEN_PID") != str(pid):
        return []
    count = environment.get("LISTEN_FDS", "")
    if not count.isdecimal():
        return []
    sockets = []
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        sockets.append(socket.socket(fileno=descriptor))
    return sockets
