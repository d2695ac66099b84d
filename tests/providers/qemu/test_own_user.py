"""What a VM is started as and from what: never as root where root can choose, and never from what lies in the data folder."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest


def _may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    words = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


pytestmark = [pytest.mark.root, pytest.mark.skipif(not _may_mount(), reason="needs root with the right to mount")]


@pytest.fixture
def running(bench, machine):
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    return bench


def test_a_vmm_is_not_root_and_can_become_nobody_else(running) -> None:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {fields[f"Cap{kind}"] for kind in ("Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def test_two_vms_are_two_users(running, make_bench, machine) -> None:
    other = make_bench()
    other.do("vm.create", None, machine())
    other.power("vm.boot", "stopped", "running")
    assert len({Path(f"/proc/{one.process.pid}").stat().st_uid for one in (running, other)} - {0}) == 2


def test_the_host_is_out_of_its_sight(running) -> None:
    seen = Path(f"/proc/{running.process.pid}/root")
    assert not (seen / "root").exists()
    assert not (seen / "etc/shadow").exists()
    assert (seen / str(running.root).lstrip("/")).exists()


def test_what_somebody_puts_into_the_data_folder_is_never_run(bench, machine, tmp_path) -> None:
    """As `nobody` once got root: by a file of words that the shell beside a VMM read when it started it again."""
    proof = tmp_path / "proof"
    bench.do("vm.create", None, machine(restart="always"))
    bench.power("vm.boot", "stopped", "running")
    command = bench.data / "vms" / "v1" / "vmm" / "process.command"
    command.write_text(f"touch {proof}\n" + (command.read_text() if command.exists() else ""))
    first = bench.process
    os.kill(first.pid, signal.SIGKILL)
    assert bench.wait(lambda: bench.process not in (None, first))
    assert not proof.exists()
