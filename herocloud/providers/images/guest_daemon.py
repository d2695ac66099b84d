"""An overlay daemon inside a guest: its key, its peers, and how it is started. The image brings the program `mycelium`.

Peers stand in the daemon's own configuration file. Where systemd runs, a unit keeps the daemon; elsewhere it is started in the background,
at every boot again.
"""

from collections.abc import Sequence

KEY = "/etc/mycelium/key.bin"
CONFIG = "/etc/mycelium/mycelium.toml"
UNIT = "/etc/systemd/system/herocloud-mycelium.service"
_COMMAND = f"mycelium --key-file {KEY} --config-file {CONFIG}"

_UNIT = f"""\
[Unit]
Description=Mycelium overlay
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=/usr/bin/env {_COMMAND}
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
"""

_START = f"""\
if command -v systemctl >/dev/null; then
    systemctl daemon-reload
    systemctl enable --now herocloud-mycelium
elif command -v mycelium >/dev/null; then
    setsid {_COMMAND} >/run/mycelium.log 2>&1 </dev/null &
fi
"""


def setup(key: bytes, peers: Sequence[str]) -> tuple[list[tuple[str, bytes, str]], str]:
    """Return the files of the daemon (path, content, mode), and the script that starts it."""
    listed = ", ".join(f'"{peer}"' for peer in peers)
    files = [(KEY, key, "0600"), (CONFIG, f"peers = [{listed}]\n".encode(), "0644"), (UNIT, _UNIT.encode(), "0644")]
    return files, _START
