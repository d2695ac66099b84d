"""The units of systemd: the daemon, and what starts VMs when the host boots without one."""

import sys
from pathlib import Path

FOLDER = Path("/etc/systemd/system")
SERVICE = "herocloud.service"
BOOT = "herocloud-boot.service"

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


def texts(folder: Path, program: str | None = None) -> dict[str, str]:
    """Return each unit by its name."""
    command = program or f"{sys.executable} -m herocloud"
    return {SERVICE: _service(folder, command), BOOT: _boot(folder, command)}


def _service(folder: Path, command: str) -> str:
    return f"""\
[Unit]
Description=herocloud: virtual machines on this host
After=network-online.target local-fs.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} --data-dir {folder} daemon run
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


def _boot(folder: Path, command: str) -> str:
    return f"""\
[Unit]
Description=herocloud: start the VMs that should run
After=network-online.target local-fs.target {SERVICE}
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
# Where the daemon has started them already, nothing is left to do.
ExecStart={command} --data-dir {folder} daemon run --boot-only
KillMode=process
RuntimeDirectory=herocloud
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
{_HARDENING}
[Install]
WantedBy=multi-user.target
"""


def write(folder: Path, target: Path) -> list[Path]:
    """Write the units into a folder; returns where they are."""
    from herocloud.kits import durable_files

    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts(folder).items():
        durable_files.write_durably(target / name, text.encode(), mode=0o644)
        written.append(target / name)
    return written
