"""Cloud Hypervisor and its attendant are in the same cage as QEMU: what /proc says of both."""

import os
from pathlib import Path

import pytest

from herocloud.providers.vmm import cages, identity
from tests.providers.vmm import process_facts

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
]

_SAME = {
    "uid own own own own",
    "gid own own own own",
    "groups shared",
    "capabilities none",
    "no new privileges 1",
    "umask 0077",
    "cwd /",
    "root its own",
    "environment HEROCLOUD_VM",
    "sees / rw,nosuid,noexec",
    "sees <data>/vms/v1 rw,nosuid,nodev,noexec",
    "sees <sockets> rw,nosuid,nodev,noexec",
    "sees the host's /proc rw,nosuid,nodev",
}


@pytest.fixture
def described(bench):
    bench.root()
    bench.volume("data")
    bench.running(root={"direct": False, "rate": None}, volumes=[{"volume": "data", "readonly": False}])
    attendant = identity.running(bench.data, "v1", "-console")
    assert bench.process is not None
    assert attendant is not None
    return [set(process_facts.describe(one.pid, bench.data, "v1")) for one in (bench.process, attendant)]


def test_both_are_the_vms_user_and_see_its_files_only(described, bench) -> None:
    for found in described:
        assert found >= _SAME
        assert {line for line in found if line.startswith("environment")} == {"environment HEROCLOUD_VM"}
        rest = {line for line in found - _SAME if line.startswith("sees") and not line.endswith(" ro,nosuid,nodev")}
        # What is seen beyond that, its volume and its kernel, is its own or only read.
        assert rest <= {"sees <data>/volumes/shop/data.raw rw,nosuid,nodev,noexec", "sees <data>/vmlinux ro,nosuid,nodev"}
    vmm, attendant = described
    assert "sees <data>/volumes/shop/data.raw rw,nosuid,nodev,noexec" in vmm - attendant
    if bench.real:
        # Its threads filter their system calls one by one; the first one only waits for the others.
        threads = Path(f"/proc/{bench.process.pid}/task").iterdir()
        assert any("Seccomp:\t2" in (thread / "status").read_text() for thread in threads)


def test_both_hold_open_what_belongs_to_the_vm(described) -> None:
    for found in described:
        opened = {line.removeprefix("open ").removesuffix(" (deleted)") for line in found if line.startswith("open ")}
        kinds = {"event", "socket", "pipe", "memory", "/dev/null", "/dev/kvm", "/dev/urandom"}
        strange = {one for one in opened - kinds if not one.startswith(("<data>/vms/v1/", "<data>/volumes/shop/data.raw", "<sockets>/"))}
        assert {one for one in strange if not Path(one).is_relative_to("/memfd:")} == set()
