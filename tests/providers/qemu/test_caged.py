"""A VMM owns nothing but its VM: what /proc says of it, and what somebody who became its user can do."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers.vmm import cages, folders, grants, identity, users
from tests.providers.vmm import break_outs, process_facts

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(os.geteuid() == 0 and not cages.can_mount(), reason="needs the right to mount"),
]

GOLDEN = """\
uid own own own own
gid own own own own
groups shared
capabilities none
no new privileges 1
seccomp 2
umask 0077
cwd /
root its own
environment HEROCLOUD_VM
sees / rw,nosuid,noexec
sees <data>/vms/v1 rw,nosuid,nodev,noexec
sees <data>/volumes/shop/data.raw rw,nosuid,nodev,noexec
sees <sockets> rw,nosuid,nodev,noexec
open /dev/null
open <data>/vms/v1/root.raw
open <data>/vms/v1/seed.iso
open <data>/vms/v1/vmm/process.lock
open <data>/vms/v1/vmm/process.log
open <data>/vms/v1/vmm/serial.log
open <data>/volumes/shop/data.raw
open event
open socket
"""


@pytest.fixture(scope="module")
def pair(make_bench, tmp_path_factory) -> Iterator:
    """Two VMs of two data folders that run; the second one is the victim. They lie where everybody may pass."""
    from tests.providers.qemu import conftest

    place = Path(tempfile.mkdtemp(prefix="hc-caged-", dir="/var/tmp"))
    place.chmod(0o755)
    made = []
    # The benches of this folder lie where only root may pass; the fixture is used for what it prepares.
    make_bench()
    for name in ("one", "other"):
        bench = conftest.Bench(place / name)
        bench.volume("data")
        (bench.data / "vms" / "v1" / "seed.iso").write_bytes(b"secret" * 1024)
        part = conftest.make_machine(
            volumes=[{"volume": "data", "readonly": False}],
            seed={"user_data": "x"},
            boot_memory=128 * conftest.MIB,
            memory=128 * conftest.MIB,
        )
        subprocess.run(
            [sys.executable, "-m", "herocloud", "host", "refresh", "--data-dir", str(bench.data)], check=True, capture_output=True
        )
        bench.do("vm.create", None, part)
        bench.power("vm.boot", "stopped", "running")
        bench.part = part
        made.append(bench)
    yield made
    for bench in made:
        bench.clean()
        users.let_go(bench.data, "v1", users.read(bench.data, "v1"))
    shutil.rmtree(place)


def test_every_process_is_as_the_golden_description_says(pair) -> None:
    bench = pair[0]
    found = process_facts.describe(bench.process.pid, bench.data, "v1")
    groups = [line for line in found if line.startswith("group ")]
    shown = [line for line in found if line.startswith("sees the host's")]
    assert [line for line in found if line not in (*groups, *shown)] == GOLDEN.splitlines()
    # Which folders hold programs, and which groups can be made, differs from host to host.
    assert {line for line in shown if not line.endswith(" ro,nosuid,nodev")} == {"sees the host's /proc rw,nosuid,nodev"}
    assert groups in ([], ["group cpu", "group memory", "group pids"], ["group unified"])
    keeper = identity.read(identity.record_path(bench.data, "v1").with_name("process.keeper"))
    assert keeper is not None
    said = process_facts.describe(keeper.pid, bench.data, "v1")
    assert {"uid root root root root", "cwd /", "environment HEROCLOUD_VM", "open <data>/vms/v1/vmm/process.lock"} <= set(said)


@pytest.mark.parametrize("where", ["in the cage", "outside of it"])
def test_its_user_gets_to_nothing_but_its_own_vm(pair, where: str) -> None:
    one, other = pair
    pair_of = [break_outs.Target(bench.data, bench.process.pid, bench.root, bench.data / "volumes/shop/data.raw") for bench in pair]
    assert break_outs.attempt(*pair_of, inside=where == "in the cage") == []
    assert one.process is not None
    assert other.process is not None


def test_a_volume_that_leaves_is_taken_back(pair) -> None:
    bench = pair[0]
    volume = bench.data / "volumes/shop/data.raw"
    assert volume.stat().st_uid == users.of(bench.data, "v1").uid
    grants.take_back(bench.data, "v1", grants.Needs(writes=frozenset({bench.root})))
    assert volume.stat().st_uid == 0
    assert not Path(f"/proc/{bench.process.pid}/root{volume}").exists()
    grants.give(bench.data, "v1", grants.Needs(writes=frozenset({bench.root, volume})))
    assert Path(f"/proc/{bench.process.pid}/root{volume}").stat().st_ino == volume.stat().st_ino


def test_it_keeps_its_user_over_power_and_gives_it_back_when_it_is_deleted(pair) -> None:
    bench = pair[0]
    number = users.read(bench.data, "v1")
    assert number is not None
    bench.power("vm.stop", "running", "stopped")
    bench.power("vm.boot", "stopped", "running")
    assert users.read(bench.data, "v1") == number
    assert os.stat(f"/proc/{bench.process.pid}").st_uid == number  # noqa: PTH116
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.delete", bench.part, None)
    assert not (folders.base() / "users" / str(number)).exists()
    assert bench.root.stat().st_uid == 0


def test_a_seed_that_was_written_again_can_be_read_by_a_vm_that_comes_back_by_itself(bench, machine) -> None:
    seed = bench.data / "vms" / "v1" / "seed.iso"
    seed.write_bytes(b"one" * 1024)
    bench.do("vm.create", None, machine(restart="always", seed={"user_data": "x"}))
    bench.power("vm.boot", "stopped", "running")
    first = bench.process
    seed.unlink()
    seed.write_bytes(b"two" * 1024)
    seed.chmod(0o600)
    os.kill(first.pid, 9)
    second = bench.wait(lambda: bench.process if bench.process not in (None, first) else None)
    assert bench.wait(lambda: identity.is_alive(second) and any(seed.samefile(link) for link in _opened(second.pid)))


def test_a_seed_that_is_put_in_the_place_of_another_is_lent_to_the_vm(pair) -> None:
    bench, draft = pair[1], pair[1].data / "vms" / "v1" / "draft"
    draft.write_bytes(b"new")
    users.lend(bench.data, "v1", draft)
    number = users.of(bench.data, "v1").gid
    assert (draft.stat().st_uid, draft.stat().st_gid, draft.stat().st_mode & 0o777) == (0, number, 0o640)
    draft.unlink()


def _opened(pid: int) -> list[Path]:
    folder = Path(f"/proc/{pid}/fd")
    return [folder / name for name in os.listdir(folder) if (folder / name).exists()]  # noqa: PTH208  (links are read one by one)


@pytest.mark.parametrize("passable", [True, False])
def test_where_nothing_can_be_mounted_it_has_as_little_as_that_host_allows(make_bench, monkeypatch, *, passable: bool) -> None:
    from tests.providers.qemu import conftest

    monkeypatch.setattr(cages, "can_mount", lambda: False)
    monkeypatch.setattr(cages, "obstacle", lambda _data: None if passable else "closed")
    make_bench()
    place = Path(tempfile.mkdtemp(prefix="hc-caged-", dir="/var/tmp"))
    place.chmod(0o755)
    bench = conftest.Bench(place / "data")
    part = conftest.make_machine()
    try:
        bench.do("vm.create", None, part)
        bench.power("vm.boot", "stopped", "running")
        found = set(process_facts.describe(bench.process.pid, bench.data, "v1"))
        whose = "own own own own" if passable else "root root root root"
        assert {f"uid {whose}", "capabilities none", "no new privileges 1", "root the host", "cwd /"} <= found
        bench.power("vm.stop", "running", "stopped")
        bench.do("vm.delete", part, None)
    finally:
        bench.clean()
        shutil.rmtree(place)
