"""The units of systemd: what they must not take from the daemon, and that systemd reads what was meant."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from herocloud.operations import host_shutdown
from herocloud.rpc.daemon import units

# Each of these gives a service mounts of its own, so that network namespaces that it names are seen by nobody else.
_MOUNTS = ("ProtectHome", "ProtectSystem", "ProtectKernelLogs", "ProtectKernelTunables", "ProtectControlGroups", "ProtectHostname",
           "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadOnlyPaths", "InaccessiblePaths", "ReadWritePaths")  # fmt: skip
# Each of these closes /dev/kvm and /dev/net/tun.
_DEVICES = ("ProtectClock", "PrivateDevices", "DevicePolicy", "DeviceAllow")

_FLAGS = {units.SERVICE: (), units.BOOT: ("--boot-only",), units.SHUTDOWN: ("--shutdown-only",)}

SOCKET = Path("/run/herocloud/rpc.sock")


def texts(folder: str, program: str = "/usr/bin/herocloud", group: str | None = None) -> dict[str, str]:
    return units.texts(Path(folder), SOCKET, group, (program,))


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


@pytest.mark.parametrize("name", [units.SERVICE, units.BOOT])
def test_the_daemon_shares_the_mounts_and_the_devices_of_the_host(name: str) -> None:
    text = texts("/var/lib/herocloud")[name]
    keys = {line.partition("=")[0] for line in text.splitlines()}
    assert "NoNewPrivileges" in keys
    assert keys & {*_MOUNTS, *_DEVICES} == set()


@pytest.mark.parametrize(
    "folder",
    [
        "/var/lib/herocloud",
        "/srv/my data",
        "/srv/50%n",
        "/srv/$HOME",
        "/srv/${HOME}/x",
        r"/srv/a\x20b",
        '/srv/a"b',
        "/srv/a'b",
        "/srv/a;b #c",
    ],
)
@pytest.mark.parametrize("program", ["/usr/bin/herocloud", "/opt/a b/herocloud", "/opt/$x/herocloud"])
@pytest.mark.parametrize("name", [units.SERVICE, units.BOOT, units.SHUTDOWN])
def test_systemd_runs_the_command_that_was_meant(folder: str, program: str, name: str) -> None:
    (written,) = values(texts(folder, program)[name], "ExecStop" if name == units.SHUTDOWN else "ExecStart")
    # As its manual has it: a colon in front leaves variables alone, then come specifiers, then quotes as in a shell.
    assert written.startswith(":") or "$" not in written
    assert "%" not in written.replace("%%", "")
    wanted = [program, "--data-dir", folder, "daemon", "run", *_FLAGS[name]]
    assert shlex.split(written.removeprefix(":").replace("%%", "%")) == wanted


@pytest.mark.parametrize("name", [units.SERVICE, units.BOOT])
def test_whichever_is_enabled_brings_what_shuts_guests_down(name: str) -> None:
    found = texts("/var/lib/herocloud")
    assert units.SHUTDOWN in values(found[name], "Wants")[0].split()
    # It has nothing to start, and has to outlast what it waits for.
    assert values(found[units.SHUTDOWN], "ExecStart") == []
    assert float(values(found[units.SHUTDOWN], "TimeoutStopSec")[0]) > host_shutdown.SECONDS


def test_the_socket_is_the_one_that_callers_look_for() -> None:
    text = texts("/var/lib/herocloud", group="vms")[units.SOCKET]
    assert values(text, "ListenStream") == [str(SOCKET)]
    assert values(text, "SocketMode") == ["0660"]
    assert values(text, "SocketGroup") == ["vms"]
    assert values(texts("/var/lib/herocloud")[units.SOCKET], "SocketGroup") == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    program = tmp_path / "a b%c" / "herocloud"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    paths = []
    for name, text in texts(str(tmp_path / "my $data"), str(program)).items():
        paths.append(tmp_path / name)
        paths[-1].write_text(text, encoding="utf-8")
        paths[-1].chmod(0o644)
    ran = subprocess.run(["systemd-analyze", "verify", *map(str, paths)], capture_output=True, text=True, check=False)
    about_ours = [line for line in ran.stderr.splitlines() if "herocloud" in line]
    assert (ran.returncode, about_ours) == (0, [])
