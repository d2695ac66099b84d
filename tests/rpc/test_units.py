"""The units of systemd: what they must not take from the daemon."""

from pathlib import Path

import pytest

from herocloud.rpc import units

# Each of these gives a service mounts of its own, so that network namespaces that it names are seen by nobody else.
_MOUNTS = ("ProtectHome", "ProtectSystem", "ProtectKernelLogs", "ProtectKernelTunables", "ProtectControlGroups", "ProtectHostname",
           "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadOnlyPaths", "InaccessiblePaths", "ReadWritePaths")  # fmt: skip
# Each of these closes /dev/kvm and /dev/net/tun.
_DEVICES = ("ProtectClock", "PrivateDevices", "DevicePolicy", "DeviceAllow")


@pytest.mark.parametrize("name", [units.SERVICE, units.BOOT])
def test_the_daemon_shares_the_mounts_and_the_devices_of_the_host(name: str) -> None:
    text = units.texts(Path("/var/lib/herocloud"), "/usr/bin/herocloud")[name]
    keys = {line.partition("=")[0] for line in text.splitlines()}
    assert "NoNewPrivileges" in keys
    assert keys & {*_MOUNTS, *_DEVICES} == set()
