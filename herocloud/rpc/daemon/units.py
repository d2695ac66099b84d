"""The units of systemd: the daemon, its socket, and what starts VMs when the host boots without one, and ends them when it goes down."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from herocloud.providers.vmm import launch

FOLDER = Path("/etc/systemd/system")
SERVICE = "herocloud.service"
SOCKET = "herocloud.socket"
BOOT = "herocloud-boot.service"
SHUTDOWN = launch.SHUTDOWN_UNIT
_PLAIN = re.compile(r"[A-Za-z0-9_./%:@=+,-]+")

# Nothing that gives the service mounts of its own (ProtectHome, ProtectKernelLogs, ProtectHostname): network namespaces of overlay networks
# are mounts, which other programs have to see. And not ProtectClock: its DeviceAllow closes /dev/kvm and /dev/net/tun.
_HARDENING = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077
"""


def texts(folder: Path, socket: Path, group: str | None = None, program: Sequence[str] = ()) -> dict[str, str]:
    """Return each unit by its name."""
    words = [*(program or (sys.executable, "-m", "herocloud")), "--data-dir", str(folder), "daemon", "run"]
    boot, shutdown = ([*words, flag] for flag in ("--boot-only", "--shutdown-only"))
    return {
        SERVICE: _service(_command(words)),
        SOCKET: _socket(socket, group),
        BOOT: _boot(_command(boot)),
        SHUTDOWN: _shutdown(_command(shutdown)),
    }


def _command(words: Sequence[str]) -> str:
    """Write a command as systemd reads it: nothing in it is a specifier, a variable, or the end of a word."""
    line = " ".join(_word(word) for word in words)
    # In front of a command a colon keeps its dollars; doubled, the one of the program would stay doubled.
    return f":{line}" if "$" in line else line


def _word(text: str) -> str:
    text = _literal(text)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _service(command: str) -> str:
    return f"""\
[Unit]
Description=herocloud: virtual machines on this host
After=network-online.target local-fs.target
Wants=network-online.target {SHUTDOWN}

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
# VMs are processes of their own, and a restart of the daemon leaves them alone.
KillMode=process
Restart=on-failure
RestartSec=2
WatchdogSec=30
TimeoutStopSec=60
RuntimeDirectory=herocloud
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _socket(path: Path, group: str | None) -> str:
    """Return the unit that listens for the daemon, and starts it for the first caller."""
    owner = f"SocketGroup={_literal(group)}\n" if group else ""
    return f"""\
[Unit]
Description=herocloud: the socket of the daemon

[Socket]
ListenStream={_literal(str(path))}
SocketMode=0660
{owner}DirectoryMode=0755

[Install]
WantedBy=sockets.target
"""


def _boot(command: str) -> str:
    return f"""\
[Unit]
Description=herocloud: start the VMs that should run
After=network-online.target local-fs.target {SERVICE}
Wants=network-online.target {SHUTDOWN}

[Service]
Type=oneshot
RemainAfterExit=yes
# Where the daemon has started them already, nothing is left to do.
ExecStart={command}
KillMode=process
RuntimeDirectory=herocloud
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _shutdown(command: str) -> str:
    """Return the unit that does nothing until the host goes down: the units of VMs come before it, so they are ended after it."""
    return f"""\
[Unit]
Description=herocloud: shut guests down before the host goes down
After=network-online.target local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStop={command}
TimeoutStopSec=90
{_HARDENING}
"""


def write(folder: Path, target: Path, socket: Path, group: str | None) -> list[Path]:
    """Write the units into a folder; returns where they are."""
    from herocloud.kits import durable_files

    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts(folder, socket, group).items():
        durable_files.write_durably(target / name, text.encode(), mode=0o644)
        written.append(target / name)
    return written
