"""Cloud Hypervisor and its attendant are in the same cage as QEMU: what /proc says of both."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers.vmm import cages, folders, identity, users
from tests.providers.cloud_hypervisor.conftest import MIB, STAND_IN, Bench, kernel, make_machine
from tests.providers.vmm import break_outs, process_facts

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
    # One that asks for no devices sees none of the kernel's.
    assert "sees the host's /sys ro,nosuid,nodev" in vmm - attendant
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


def test_the_attendant_leaves_the_machine_its_share_of_the_processors(bench) -> None:
    bench.running(vcpus=3)
    fields = folders.orders_path(identity.record_path(bench.data, "v1")).read_text().split("\0")
    groups = [Path(value).parent for name, value in zip(fields[::2], fields[1::2], strict=False) if name == "group"]
    told = {name: int((group / name).read_text()) for group in groups for name in ("cpu.weight", "cpu.shares") if (group / name).exists()}
    if not told:
        pytest.skip("needs a control group for processors")
    assert told in ({"cpu.weight": 400}, {"cpu.shares": 4096})


@pytest.fixture
def pair(program_on_path: Path, command: list[str]) -> Iterator[list[Bench]]:
    """Two VMs of two data folders that run, the second one being the victim, where everybody may pass."""
    place = Path(tempfile.mkdtemp(prefix="hc-caged-", dir="/var/tmp"))
    place.chmod(0o755)
    made = []
    for name in ("one", "other"):
        bench = Bench(place / name, real=command[0] != str(STAND_IN))
        bench.root()
        bench.volume("data")
        (bench.data / "vms" / "v1" / "seed.iso").write_bytes(bytes(MIB))
        made.append(bench)
        subprocess.run(
            [sys.executable, "-m", "herocloud", "host", "refresh", "--data-dir", str(bench.data)], check=True, capture_output=True
        )
        root, volumes = {"direct": False, "rate": None}, [{"volume": "data", "readonly": False}]
        payload = {**bench.machine()["payload"], "kernel": str(kernel(place))}
        # What is in the data folder is to be private.
        (bench.data / "vmlinux").unlink()
        bench.do("vm.create", None, make_machine(place, payload=payload, root=root, volumes=volumes, seed="v1-a", restart="always"))
        bench.power("vm.boot", "stopped", "running")
    yield made
    for bench in made:
        bench.clean()
        users.let_go(bench.data, "v1", users.read(bench.data, "v1"))
    shutil.rmtree(place)


@pytest.mark.parametrize("where", ["in the cage", "outside of it"])
def test_its_user_gets_to_nothing_but_its_own_vm(pair: list[Bench], where: str) -> None:
    targets = []
    for bench in pair:
        assert bench.process is not None
        assert Path(f"/proc/{bench.process.pid}").stat().st_uid != 0
        targets.append(break_outs.Target(bench.data, bench.process.pid, bench.root(), bench.volume("data")))
    written = ("serial.log", "serial.log.1", "process.stop", "process-console.stop", "events", "vmm.log")
    found = break_outs.attempt(*targets, inside=where == "in the cage", lent=written)
    # Its attendant boots its VM again from the one, and waits for the end of its VMM at the other.
    mine = targets[0].data / "vms/v1/vmm"
    assert set(found) <= {f"read {mine / 'boot.json'}", f"read {mine / 'process.lock'}"}
    assert all(bench.see()["power"] == "running" for bench in pair)
