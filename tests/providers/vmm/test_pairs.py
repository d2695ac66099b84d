"""What works beside a VMM starts with it, from the same interpreter; from then on each of them ends and comes back on its own."""

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import identity, launch
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

_PROGRAM = """\
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)
"""


class Beside:
    """A companion that works for as long as the VMM is kept."""

    def __init__(self, stand: Any) -> None:
        self.record = stand.record.with_name("process-beside")
        program = stand.data / "beside.py"
        program.write_text(_PROGRAM)
        environment = {identity.TOKEN: f"{identity.token(stand.data, stand.sid)}-beside"}
        command = [str(program), str(stand.beside("lock"))]
        self.launch = Launch(self.record, command, stand.data / "s", "on-failure", environment, "herocloud-test-beside", python=program)

    def running(self) -> Identity | None:
        known = identity.read(self.record)
        return known if known is not None and identity.is_alive(known) else None

    def shell(self) -> Identity | None:
        return identity.read(self.record.with_name(f"{self.record.name}.keeper"))

    def again(self, first: Identity) -> Identity | None:
        known = self.running()
        return known if known is not None and known != first else None


@pytest.fixture
def beside(stand: Any) -> Beside:
    return Beside(stand)


def _children(process: Identity) -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


def _is_over(beside: Beside) -> bool:
    shell = beside.shell()
    return beside.running() is None and not identity.is_held(beside.record) and (shell is None or not identity.is_alive(shell))


def test_both_are_there_once_the_vmm_is_and_neither_is_the_others_child(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", beside=beside.launch)
    assert eventually(lambda: Path(f"/proc/{vmm.pid}/cmdline").read_bytes() == b"sleep\x0060\x00")
    companion = beside.running()
    assert companion is not None
    assert identity.is_held(beside.record)
    assert _children(vmm) == _children(companion) == []
    shell = eventually(beside.shell)
    assert identity.is_alive(shell)
    held = {Path(f"/proc/{process.pid}/fd/9").resolve().name for process in (vmm, companion)}
    assert held == {"process.lock", "process-beside.lock"}


def test_one_that_is_killed_comes_back_beside_the_same_vmm(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", beside=beside.launch)
    for _ in range(2):
        companion = eventually(beside.running)
        identity.send(companion, signal.SIGKILL)
        assert eventually(lambda companion=companion: beside.again(companion))
    assert identity.is_alive(vmm)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: _is_over(beside))


def test_a_vmm_that_comes_back_finds_the_same_one_beside_it(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", restart="always", beside=beside.launch)
    launch.keep(stand.record, kept=True)
    companion, shell = eventually(beside.running), eventually(beside.shell)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: identity.running(stand.data, stand.sid) not in (None, vmm))
    assert (beside.running(), beside.shell()) == (companion, shell)


def test_both_killed_at_once_come_back(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", restart="always", beside=beside.launch)
    launch.keep(stand.record, kept=True)
    companion = eventually(beside.running)
    for process in (companion, vmm):
        identity.send(process, signal.SIGKILL)
    assert eventually(lambda: identity.running(stand.data, stand.sid) not in (None, vmm))
    assert eventually(lambda: beside.again(companion))


def test_one_that_lost_its_shell_as_well_comes_back_with_the_vmm(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", restart="always", beside=beside.launch)
    launch.keep(stand.record, kept=True)
    companion, shell = eventually(beside.running), eventually(beside.shell)
    for process in (shell, companion):
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)
    identity.send(vmm, signal.SIGKILL)
    again = eventually(lambda: beside.again(companion))
    identity.send(again, signal.SIGKILL)
    assert eventually(lambda: beside.again(again)), "with a shell like the first one"


def test_when_the_vmm_ends_for_good_it_ends_and_nothing_is_started_again(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", restart="on-failure", beside=beside.launch)
    shell = eventually(beside.shell)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: _is_over(beside))
    assert identity.wait_for_death(shell, 10)
    assert not stand.record.with_name("events.process-beside").exists()


def test_one_that_is_killed_after_its_vmm_is_not_started_again(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", beside=beside.launch)
    companion, shell = eventually(beside.running), eventually(beside.shell)
    identity.send(companion, signal.SIGSTOP)
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: not identity.is_held(stand.record))
    identity.send(companion, signal.SIGKILL)
    assert identity.wait_for_death(shell, 10)
    # The shell of the VMM waits for that lock before it ends, and holds it for an instant.
    assert eventually(lambda: _is_over(beside))
    assert not stand.record.with_name("events.process-beside").exists()


def test_a_vmm_that_cannot_be_started_leaves_nobody_beside_it(stand, beside, eventually) -> None:
    with contextlib.suppress(Permanent):
        stand.start("no-such-vmm", beside=beside.launch)
    assert eventually(lambda: stand.beside("ended").exists() and stand.beside("ended").read_text() == "127\n")
    assert eventually(lambda: _is_over(beside))


def test_one_that_was_started_alone_is_left_alone(stand, beside, eventually) -> None:
    """As by an earlier version, beside a VMM that runs on."""
    vmm = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    companion = launch.launch(beside.launch)
    launch.keep(beside.record, kept=True)
    shell = beside.shell()
    launch.prepare(stand.order("sleep", "61", restart="always", beside=beside.launch))
    identity.send(vmm, signal.SIGKILL)
    second = eventually(lambda: next((one for one in [identity.running(stand.data, stand.sid)] if one not in (None, vmm)), None))
    assert eventually(lambda: Path(f"/proc/{second.pid}/cmdline").read_bytes() == b"sleep\x0061\x00")
    assert (beside.running(), beside.shell()) == (companion, shell)
    identity.send(companion, signal.SIGKILL)
    assert eventually(lambda: beside.again(companion))
    assert beside.shell() == shell


def test_one_that_is_ended_on_purpose_stays_away_and_so_does_its_shell(stand, beside, eventually) -> None:
    stand.start("sleep", "60", beside=beside.launch)
    companion, shell = eventually(beside.running), eventually(beside.shell)
    launch.keep(beside.record, kept=False)
    identity.send(companion, signal.SIGKILL)
    launch.dismiss(beside.record)
    assert not identity.is_alive(shell)
    assert _is_over(beside)


def test_a_vmm_whose_record_is_lost_is_not_taken_for_the_one_beside_it(stand, beside, eventually) -> None:
    vmm = stand.start("sleep", "60", beside=beside.launch)
    assert eventually(beside.running)
    stand.record.unlink()
    beside.record.unlink()
    assert identity.find(stand.data, stand.sid) == vmm._replace(digest="", socket="")
