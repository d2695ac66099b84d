"""An attendant that is killed again and again holds up no step; one that nobody starts again is drift, and so is the daemon of a share."""

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from herocloud.model import powers
from herocloud.providers.cloud_hypervisor import vmm_process
from herocloud.providers.vmm import folders, identity, virtiofs
from herocloud.providers.vmm.identity import Identity
from tests.providers.cloud_hypervisor.conftest import until
from tests.providers.cloud_hypervisor.test_killing_steps import kill_at, kill_vmm, nothing_is_left

_RECORD = "process-console"


def _attendant(bench: Any) -> Identity | None:
    return identity.running(bench.data, "v1", "-console")


def _shell(bench: Any, record: str = _RECORD) -> Identity:
    known = identity.read(folders.machine_folder(bench.data, "v1") / f"{record}.keeper")
    assert known is not None
    return known


def _kill(*processes: Identity | None) -> None:
    for process in processes:
        assert process is not None
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)


def _pause_of(shell: Identity) -> Identity | None:
    """Return the process in which a shell waits."""
    with contextlib.suppress(OSError):
        for number in Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split():
            if Path(f"/proc/{number}/comm").read_text() == "sleep\n":
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                return Identity(int(number), int(fields[19]), identity.boot_id())
    return None


def _kill_attendant_thrice(bench: Any) -> None:
    """Kill it each time as soon as it is back: its shell waits for four seconds then."""
    for last in (False, False, True):
        until(lambda: _attendant(bench) is not None, "the attendant is there")
        _kill(_attendant(bench))
        until(lambda: _pause_of(_shell(bench)) is not None, "its shell waits")
        if not last:
            pause = _pause_of(_shell(bench))
            assert pause is not None
            identity.send(pause, signal.SIGKILL)


def _serves(bench: Any) -> None:
    assert _attendant(bench) is not None
    until(folders.console_socket(bench.data, "v1").exists, "people get to the console")
    assert bench.see()["machine"] == {key: value for key, value in bench.see()["machine"].items() if key not in powers.ONLY_SEEN}


@pytest.mark.parametrize("restart", ["no", "always"])
@pytest.mark.parametrize("kind", ["vm.boot", "vm.thaw", "vm.resume", "vm.update", "vm.stop", "after a crash"])
def test_no_step_waits_for_an_attendant_that_waits_to_be_started_again(bench: Any, kind: str, restart: str) -> None:
    bench.running(restart=restart)
    machine = bench.machine(restart=restart)
    if kind in ("vm.thaw", "vm.resume"):
        bench.power({"vm.thaw": "vm.freeze", "vm.resume": "vm.pause"}[kind], "running", "paused")
    _kill_attendant_thrice(bench)
    if kind in ("vm.boot", "vm.stop"):
        bench.power("vm.stop", "running", "stopped")
        assert bench.left_over() == []
        if kind == "vm.stop":
            return
        bench.power("vm.boot", "stopped", "running")
    elif kind == "after a crash":
        shell = identity.read(identity.record_path(bench.data, "v1").with_name("process.keeper"))
        _kill(shell)
        kill_vmm(bench)
        bench.power("vm.boot", "stopped", "running")
    elif kind == "vm.update":
        bench.do("vm.update", machine, {**machine, "labels": {"tier": "data"}})
    else:
        bench.power(kind, "paused", "running")
    _serves(bench)
    nothing_is_left(bench)


def test_a_snapshot_with_memory_beside_an_attendant_that_waits(bench: Any) -> None:
    plain, saved = bench.held()
    _kill_attendant_thrice(bench)
    bench.save(plain, saved)
    bench.power("vm.thaw", "paused", "running")
    _serves(bench)
    _kill_attendant_thrice(bench)
    bench.power("vm.stop", "running", "stopped")
    bench.driver.perform(bench.revival())
    _serves(bench)


@pytest.mark.parametrize(("point", "victims"), [("launched", "attendant"), ("created", "all"), ("begun", "VMM"), ("settled", "shell")])
def test_a_boot_that_is_killed_together_with_the_attendant_goes_on(bench: Any, point: str, victims: str) -> None:
    bench.do("vm.create", None, bench.machine())
    work = bench.work("vm.boot", "stopped", "running", part="power")
    kill_at(bench, f"vm.boot.{point}", work)
    until(lambda: _attendant(bench) is not None, "the attendant is there")
    until((folders.machine_folder(bench.data, "v1") / f"{_RECORD}.keeper").exists, "its shell is there")
    if victims in ("VMM", "all"):
        kill_vmm(bench)
    if victims in ("shell", "all"):
        _kill(_shell(bench))
    attendant = identity.read(folders.machine_folder(bench.data, "v1") / _RECORD)
    if attendant is not None:
        _kill(attendant)
    bench.driver.perform(work)
    _serves(bench)
    nothing_is_left(bench)


@pytest.mark.parametrize("restart", ["no", "always"])
@pytest.mark.parametrize(("victims", "flaw"), [("both", powers.KEEPER_DEAD), ("shell", powers.UNKEPT), ("halted", powers.KEEPER_HALTED)])
def test_an_attendant_that_nobody_starts_again_is_seen_and_one_step_heals_it(bench: Any, victims: str, flaw: str, restart: str) -> None:
    bench.running(restart=restart)
    machine, vmm = bench.machine(restart=restart), bench.process
    until(lambda: bench.see()["machine"] == machine, "it is as it should be")
    if victims == "halted":
        identity.send(_attendant(bench), signal.SIGSTOP)
    else:
        _kill(_shell(bench), *([_attendant(bench)] if victims == "both" else []))
    until(lambda: bench.see()["machine"] == {**machine, powers.ATTENDANT: flaw}, f"the attendant is {flaw}")
    bench.do("vm.update", bench.see()["machine"], machine)
    assert bench.see() == {"machine": machine, "power": "running"}
    assert bench.process == vmm
    _serves(bench)
    _kill(_attendant(bench))
    until(lambda: _attendant(bench) is not None, "it comes back by itself")
    nothing_is_left(bench)


@pytest.fixture
def share_daemon(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the real daemon serve the real program, and one that does nothing the stand-in."""
    if bench.real and virtiofs.find_program() is None:
        pytest.skip(f"needs the program `virtiofsd` ({virtiofs.MISSING})")
    if not bench.real:
        daemon = tmp_path / "virtiofsd"
        daemon.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
        daemon.chmod(0o755)
        monkeypatch.setattr(virtiofs, "find_program", lambda: str(daemon))


@pytest.mark.usefixtures("share_daemon")
def test_a_share_whose_daemon_and_shell_died_is_seen_and_a_boot_serves_it_again(bench: Any, tmp_path: Path) -> None:
    shares = [{"path": str(tmp_path), "tag": tag} for tag in ("docs", "media")]
    bench.running(shares=shares)
    machine, vmm = bench.machine(shares=shares), bench.process
    lost = {powers.LOST_SHARES: f"media: {powers.SERVER_ENDED}"}
    assert bench.see() == {"machine": machine, "power": "running"}
    untouched = identity.running(bench.data, "v1", "-share-0")
    _kill(_shell(bench, "process-share-1"), identity.running(bench.data, "v1", "-share-1"))
    assert bench.see()["machine"] == {**machine, powers.SHARING: "media dead", **lost}
    bench.driver.perform(bench.work("vm.update", bench.see()["machine"], machine))
    # There is a daemon again, which knows nothing of the guest.
    assert bench.see() == {"machine": {**machine, **lost}, "power": "running"}
    assert bench.process == vmm
    assert identity.running(bench.data, "v1", "-share-0") == untouched
    bench.power("vm.stop", "running", "stopped")
    bench.do("vm.configure", {**machine, **lost}, machine)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": machine, "power": "running"}
    nothing_is_left(bench)


@pytest.mark.usefixtures("share_daemon")
def test_a_guest_that_reboots_has_the_shares_whose_daemons_ended(bench: Any, tmp_path: Path) -> None:
    shares = [{"path": str(tmp_path), "tag": "docs"}]
    bench.running(shares=shares)
    machine, vmm = bench.machine(shares=shares), bench.process
    first = identity.running(bench.data, "v1", "-share-0")
    _kill(first)
    until(lambda: (found := identity.running(bench.data, "v1", "-share-0")) is not None and found != first, "it comes back by itself")
    assert bench.see()["machine"] == {**machine, powers.LOST_SHARES: f"docs: {powers.SERVER_ENDED}"}
    with vmm_process.open_client(bench.data, "v1") as client:
        client.reboot()
    assert bench.see() == {"machine": machine, "power": "running"}
    assert bench.process == vmm
    nothing_is_left(bench)
