"""Signals become requests to stop while an apply runs, and mean what they did before when it is over."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from herocloud.cli.signals import SignalInterrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_counted_and_the_handlers_before_come_back(number) -> None:
    before = signal.getsignal(number)
    with SignalInterrupts() as interrupts:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interrupts.requests == 2
    assert signal.getsignal(number) is before


def test_a_closed_terminal_is_harmless() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with SignalInterrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.requests == 0
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN, "VMMs would inherit an ignored signal"
    assert signal.getsignal(signal.SIGHUP) is before


def test_other_threads_leave_the_handlers_alone() -> None:
    seen = []

    def work() -> None:
        with SignalInterrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_sigterm_while_the_program_is_being_loaded_ends_it_as_an_interrupt() -> None:
    program = """
import os, signal, sys
class Loading:
    def find_spec(self, name, path=None, target=None):
        if name == "herocloud.cli.runner":
            os.kill(os.getpid(), signal.SIGTERM)
sys.meta_path.insert(0, Loading())
from herocloud.cli import entry
sys.argv = ["herocloud", "plan"]
sys.exit(entry.main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")
