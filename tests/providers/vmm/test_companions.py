"""What works beside a VMM comes back at once when it is asked for, and is missed only where nobody would start it again."""

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from herocloud.model import powers
from herocloud.providers.vmm import companions, host_processes, identity, launch
from herocloud.providers.vmm.identity import Identity


class Companion:
    """One companion, kept by a shell as beside a VMM."""

    def __init__(self, stand: Any, eventually: Any) -> None:
        self.record, self.launch, self._eventually = stand.record, stand.order("sleep", "60", restart="always"), eventually
        self.first = launch.launch(self.launch)
        launch.keep(self.record, kept=True)

    @property
    def running(self) -> Identity | None:
        known = identity.read(self.record)
        return known if known is not None and identity.is_alive(known) else None

    @property
    def shell(self) -> Identity:
        known = launch.keeper_of(self.record)
        assert known is not None
        return known

    def pauses(self) -> list[Path]:
        """Return the processes in which its shell waits before it starts it again."""
        with contextlib.suppress(FileNotFoundError):
            numbers = Path(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children").read_text().split()
            return [path for number in numbers if (path := Path("/proc") / number / "comm").read_text() == "sleep\n"]
        return []

    def make_it_wait(self) -> None:
        """Kill it three times, each as soon as it is back: then it is started again after four seconds."""
        for last in (False, False, True):
            killed = self._eventually(lambda: self.running)
            identity.send(killed, signal.SIGKILL)
            assert identity.wait_for_death(killed, 10)
            pause = self._eventually(self.pauses)[0]
            if not last:
                stat = host_processes.split(pause.with_name("stat").read_text())
                identity.send(Identity(stat[0], int(stat[1][19]), identity.boot_id()), signal.SIGKILL)


@pytest.fixture
def companion(stand: Any, eventually: Any) -> Companion:
    return Companion(stand, eventually)


def _kill(*processes: Identity | None) -> None:
    for process in processes:
        assert process is not None
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)


def test_one_that_works_has_no_flaw_and_is_left_alone(companion) -> None:
    shell = companion.shell
    assert companions.flaw(companion.record) is None
    companions.bring_back(companion.launch)
    assert (companion.running, companion.shell) == (companion.first, shell)


def test_one_whose_shell_waits_has_no_flaw_and_is_started_by_that_shell_at_once(companion) -> None:
    shell = companion.shell
    companion.make_it_wait()
    assert companions.flaw(companion.record) is None
    companions.bring_back(companion.launch)
    assert companion.running is not None
    assert companion.shell == shell
    assert launch.is_kept(companion.record)


def test_one_whose_shell_waits_to_leave_gets_another_shell(companion) -> None:
    """As an earlier version left it, which said that it ends before it knew that another could be started."""
    shell = companion.shell
    companion.make_it_wait()
    launch.keep(companion.record, kept=False)
    companions.bring_back(companion.launch)
    assert companion.running is not None
    assert companion.shell != shell
    assert launch.is_kept(companion.record)


def test_one_whose_shell_waits_ends_at_once(companion) -> None:
    shell = companion.shell
    companion.make_it_wait()
    companions.end(companion.record)
    assert not identity.is_alive(shell)
    assert list(companion.record.parent.glob(f"{companion.record.name}*")) == []


def test_a_shell_that_is_killed_while_it_waits_leaves_the_lock(companion) -> None:
    companion.make_it_wait()
    _kill(companion.shell)
    assert not identity.is_held(companion.record)
    assert companions.flaw(companion.record) == powers.KEEPER_DEAD


def test_one_without_a_shell_works_on_with_another_one(companion, eventually) -> None:
    _kill(companion.shell)
    assert companions.flaw(companion.record) == powers.UNKEPT
    companions.bring_back(companion.launch)
    assert companions.flaw(companion.record) is None
    assert companion.running == companion.first
    _kill(companion.first)
    assert eventually(lambda: companion.running)


def test_one_that_died_with_its_shell_is_started_with_another_one(companion, eventually) -> None:
    _kill(companion.shell, companion.first)
    assert companions.flaw(companion.record) == powers.KEEPER_DEAD
    companions.bring_back(companion.launch)
    second = companion.running
    assert second is not None
    assert companions.flaw(companion.record) is None
    _kill(second)
    assert eventually(lambda: companion.running)


@pytest.mark.parametrize("halted", ["process", "shell"])
def test_what_a_signal_has_stopped_goes_on(companion, eventually, halted: str) -> None:
    process, shell = companion.first, companion.shell
    identity.send(process if halted == "process" else shell, signal.SIGSTOP)
    flaw = powers.KEEPER_HALTED if halted == "process" else powers.UNKEPT
    assert eventually(lambda: companions.flaw(companion.record) == flaw)
    companions.bring_back(companion.launch)
    assert eventually(lambda: companions.flaw(companion.record) is None)
    assert (companion.running, companion.shell) == (process, shell)


def test_one_that_died_beside_a_shell_that_a_signal_has_stopped_comes_back(companion, eventually) -> None:
    identity.send(companion.shell, signal.SIGSTOP)
    _kill(companion.first)
    assert eventually(lambda: companions.flaw(companion.record) == powers.KEEPER_DEAD)
    companions.bring_back(companion.launch)
    assert companion.running is not None
    assert companions.flaw(companion.record) is None


def test_a_shell_that_a_signal_has_stopped_can_be_dismissed(companion, eventually) -> None:
    identity.send(companion.shell, signal.SIGSTOP)
    launch.keep(companion.record, kept=False)
    _kill(companion.first)
    launch.dismiss(companion.record)
    assert not identity.is_alive(companion.shell)
