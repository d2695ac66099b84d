"""The serial log of a VM stays small while nobody runs a command, and what it said last is not lost."""

import fcntl
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from herocloud.providers.guests import logs
from herocloud.providers.vmm import files, identity, launch, log_bounds

MIB = 1024**2


@pytest.fixture
def chatty(stand: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a machine that says numbers on its console, as fast as it is allowed to, with a small limit."""
    monkeypatch.setattr(log_bounds, "SECONDS", "0.1")
    monkeypatch.setattr(files, "LOG_LIMIT", MIB)
    log = stand.record.parent / "serial.log"
    log.touch()

    def start(script: str) -> Any:
        order = stand.order("sh", "-c", script.replace("LOG", str(log)))._replace(bounds_log=True)
        return launch.launch(order)

    stand.log, stand.speak = log, start
    return stand


NUMBERS = "n=0; while :; do seq $n $((n + 20000)) >>LOG; n=$((n + 20001)); sleep .05; done"


@pytest.fixture
def watcher_of(eventually: Any) -> Any:
    """Return a function that waits for the shell that keeps a log small."""
    return lambda stand: eventually(lambda: identity.read(stand.beside(log_bounds.RECORD))).pid


def test_a_log_that_grows_is_cut_while_nobody_looks(chatty: Any, eventually: Any) -> None:
    chatty.speak(NUMBERS)
    old = chatty.log.with_name("serial.log.1")
    for _ in range(3):
        before = old.stat().st_mtime_ns if old.exists() else 0
        assert eventually(lambda before=before: old.exists() and old.stat().st_mtime_ns > before)
    assert old.stat().st_size <= 3 * MIB
    assert old.stat().st_mode & 0o777 == 0o600


def test_no_line_is_lost_between_the_two_halves(chatty: Any, eventually: Any) -> None:
    chatty.speak("sleep .3; seq 1 250000 >LOG.all; cat LOG.all >>LOG; exec tail -f /dev/null")
    old = chatty.log.with_name("serial.log.1")
    assert eventually(lambda: old.exists() and chatty.log.stat().st_size == 0)
    wanted = [str(number) for number in range(250_000 - 999, 250_001)]
    assert logs.last_lines(chatty.log, 1000) == wanted


def test_a_small_log_is_left_alone(chatty: Any) -> None:
    process = chatty.speak("seq 1 1000 >>LOG; sleep .9")
    assert identity.wait_for_death(process, 20)
    assert chatty.log.read_text().splitlines() == [str(number) for number in range(1, 1001)]
    assert not chatty.log.with_name("serial.log.1").exists()


def test_it_weighs_little_and_is_not_taken_for_the_machine(chatty: Any, eventually: Any, watcher_of: Any) -> None:
    process = chatty.speak("exec tail -f /dev/null")
    proc = Path("/proc") / str(watcher_of(chatty))
    assert eventually(lambda: b"herocloud-log" in (proc / "cmdline").read_bytes())
    assert identity.TOKEN.encode() not in (proc / "environ").read_bytes()
    assert str(chatty.beside("lock")) not in [str(entry.readlink()) for entry in (proc / "fd").iterdir()]
    rollup = (proc / "smaps_rollup").read_text()
    private = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
    assert private < 2048, "KiB of its own"
    # A process that becomes another program has no environment for an instant.
    assert eventually(lambda: (found := identity.find(chatty.data, chatty.sid)) is not None and found.pid == process.pid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_shell_beside_the_machine(how: signal.Signals, chatty: Any, eventually: Any, watcher_of: Any) -> None:
    chatty.speak("exec tail -f /dev/null")
    watcher = watcher_of(chatty)
    keeper = identity.read(chatty.beside("keeper"))
    assert keeper is not None
    identity.send(keeper, how)
    assert eventually(lambda: not Path(f"/proc/{watcher}").exists() or _is_dead(watcher))


def test_it_ends_at_once_when_the_machine_is_ended_on_purpose(chatty: Any, eventually: Any, watcher_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(log_bounds, "SECONDS", "600")
    process = chatty.speak("exec tail -f /dev/null")
    watcher = watcher_of(chatty)
    sleeping = eventually(lambda: psutil.Process(watcher).children())
    identity.send(process, signal.SIGKILL)
    launch.dismiss(chatty.record)
    assert _is_dead(watcher)
    assert all(_is_dead(child.pid) for child in sleeping), "what it waited for is gone, too"


def test_nothing_is_left_of_it_however_early_it_is_ended(tmp_path: Path) -> None:
    left = []
    for turn in range(50):
        words = ["/bin/sh", "-c", log_bounds.SCRIPT, "herocloud-log", "log", str(os.getpid()), "1000", "600", "bounded-by"]
        with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as shell:
            # At another point of its first steps each time: a process that has just been forked may lose a signal.
            threading.Event().wait(turn / 2500)
            sleeping = psutil.Process(shell.pid).children()
            shell.terminate()
        left += [child for child in sleeping if not _is_dead(child.pid)]
    for child in left:
        child.kill()
    assert left == []


def _is_dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_new_shell_beside_the_machine_bounds_its_log_too(chatty: Any, eventually: Any) -> None:
    process = chatty.speak("until [ -e LOG.go ]; do sleep .02; done; seq 1 250000 >>LOG; exec tail -f /dev/null")
    launch.keep(chatty.record, kept=True)
    keeper = identity.read(chatty.beside("keeper"))
    assert keeper is not None
    identity.send(keeper, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)
    launch.adopt(chatty.order())
    chatty.log.with_name("serial.log.go").touch()
    assert eventually(lambda: chatty.log.with_name("serial.log.1").exists())
    assert identity.is_alive(process)


def test_two_who_cut_do_not_throw_away_what_one_of_them_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"x" * 2 * MIB)
    with log.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not files.cut_log(log, MIB)
        assert log.stat().st_size == 2 * MIB
    assert files.cut_log(log, MIB)
    assert log.stat().st_size == 0
