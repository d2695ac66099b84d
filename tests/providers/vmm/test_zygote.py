"""A VMM that has something in Python beside it comes from an interpreter that is there already, and is what it is otherwise."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import identity, launch, zygote_link
from tests.providers.vmm.test_pairs import Beside

_CHILD_SUBREAPER = 36
_NEW_NETWORK = 0x40000000
_ZYGOTE = "herocloud-zygote"


@pytest.fixture
def adopting() -> Iterator[None]:
    """Have what loses its parent given to this process, so that it is known what became of it."""
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 0, 0, 0, 0)
    for process in psutil.Process().children():
        if process.status() == psutil.STATUS_ZOMBIE:
            process.wait(10)


@pytest.fixture
def beginning(adopting: None, eventually: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], psutil.Process]]:
    """Return what starts a zygote that belongs to this test alone; they end with it."""
    monkeypatch.setattr(zygote_link, "_links", [])
    monkeypatch.setattr(zygote_link, "_IDLE", 600.0)
    begun: list[psutil.Process] = []

    def begin() -> psutil.Process:
        zygote_link._links[:] = [zygote_link._Link(zygote_link._owner(), zygote_link._begin())]
        begun.append(eventually(lambda: next((one for one in _zygotes() if one not in begun), None)))
        return begun[-1]

    yield begin
    zygote_link._leave()
    for process in begun:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
            process.wait(10)


def _zygotes() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] == [_ZYGOTE]:
                found.append(process)
    return found


def _keeper(stand: Any) -> identity.Identity:
    known = identity.read(stand.beside("keeper"))
    assert known is not None
    return known


def test_the_keeper_is_the_vmms_parent_and_has_nothing_of_who_started_it(stand, eventually, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hush")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        vmm = stand.start("sleep", "60", beside=Beside(stand).launch)
    keeper, token = _keeper(stand), f"{identity.TOKEN}={identity.token(stand.data, stand.sid)}"
    assert identity.is_alive(keeper)
    assert psutil.Process(vmm.pid).ppid() == keeper.pid == os.getsid(keeper.pid)
    assert os.getsid(keeper.pid) != os.getsid(0)
    assert psutil.Process(keeper.pid).cmdline()[:2] == ["herocloud-keeper", str(stand.record)]
    log = stand.beside("log")
    assert _open_files(keeper.pid) == {"0": Path(os.devnull), "1": log, "2": log, "9": stand.beside("lock")}
    companion = eventually(lambda: identity.read(stand.record.with_name("process-beside")))
    assert eventually(lambda: Path(f"/proc/{vmm.pid}/cmdline").read_bytes() == b"sleep\x0060\x00")
    for process in (vmm.pid, keeper.pid, companion.pid):
        words = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
        assert [word for word in words if word and not word.startswith("LC_CTYPE=")] == [token]
        assert Path(f"/proc/{process}/cwd").readlink() == Path("/")
        assert tmp_path / "secret" not in _open_files(process).values()
    words = psutil.Process(companion.pid).cmdline()
    assert [word for word in words if word][-3:-1] == [str(launch.folders.orders_path(stand.record)), str(stand.record)]


def _open_files(pid: int) -> dict[str, Path]:
    """Return what a process has open; one that just begins closes some of it meanwhile."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.readlink()
    return found


@pytest.mark.parametrize("script", ["exit 0", "exit 3", "exit 255", "kill -TERM $$", "kill -KILL $$", "kill -HUP $$"])
def test_how_a_vmm_ended_is_written_down_as_by_a_shell(stand, eventually, script: str) -> None:
    written = []
    for beside in (None, Beside(stand).launch):
        stand.beside("ended").unlink(missing_ok=True)
        with contextlib.suppress(Permanent):
            # It may be over before anybody has looked at it.
            stand.start("sh", "-c", script, beside=beside)
        written.append(eventually(lambda: stand.beside("ended").exists() and stand.beside("ended").read_text()))
        launch.dismiss(stand.record)
    assert written[0] == written[1]


def test_the_keeper_stays_who_it_is_when_the_vmm_comes_back(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always", beside=Beside(stand).launch)
    launch.keep(stand.record, kept=True)
    keeper = _keeper(stand)
    caught = _signals(keeper.pid, "SigCgt")
    identity.send(first, signal.SIGKILL)
    second = eventually(lambda: next((one for one in [identity.running(stand.data, stand.sid)] if one not in (None, first)), None))
    assert _keeper(stand) == keeper
    assert identity.is_alive(keeper)
    assert psutil.Process(second.pid).ppid() == keeper.pid
    assert psutil.Process(keeper.pid).cmdline()[0] == "/bin/sh"
    # As where a shell was there from the start: what Python ignores would be ignored by all that it starts.
    assert caught == set()
    ours = _signals(os.getpid(), "SigIgn") - {signal.SIGPIPE, signal.SIGXFSZ}
    assert _signals(keeper.pid, "SigIgn") == ours | {signal.SIGINT, signal.SIGQUIT}


def _signals(pid: int, name: str) -> set[int]:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
    mask = int(line.split()[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


@pytest.mark.root
def test_a_vmm_is_in_the_namespace_of_the_thread_that_starts_it(stand, beginning) -> None:
    beginning()
    seen: list[tuple[str, str]] = []

    def start() -> None:
        assert ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) == 0, "no network namespace"
        vmm = stand.start("sleep", "60", beside=Beside(stand).launch)
        seen.append((os.readlink("/proc/thread-self/ns/net"), os.readlink(f"/proc/{vmm.pid}/ns/net")))  # noqa: PTH115  (no file lies there)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    [(own, its)] = seen
    assert own == its != os.readlink("/proc/self/ns/net")  # noqa: PTH115


def test_the_keeper_is_not_taken_for_a_vmm_whose_record_is_lost(stand, eventually, monkeypatch) -> None:
    monkeypatch.setattr(identity, "_WRITES_RECORD", -1.0)
    beside = Beside(stand)
    vmm = stand.start("sleep", "60", beside=beside.launch)
    # Until then its companion is a part of it, with the same lock.
    assert eventually(beside.running)
    assert eventually(lambda: Path(f"/proc/{vmm.pid}/cmdline").read_bytes() == b"sleep\x0060\x00")
    keeper = _keeper(stand)
    for path in (stand.record, stand.beside("keeper")):
        path.unlink()
        found = identity.running(stand.data, stand.sid), identity.find(stand.data, stand.sid)
        assert [None if one is None else one.pid for one in found] == [vmm.pid, vmm.pid]
    assert identity.is_alive(keeper)
    # Nobody finds it any more, and it goes once its VMM has.
    identity.send(vmm, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)


def test_one_makes_the_keepers_of_many_and_ends_with_who_started_it(stand, beginning, eventually, tmp_path) -> None:
    process = beginning()
    stands = [type(stand)(tmp_path / name) for name in "abc"]
    try:
        keepers = [(one.start("sleep", "60", beside=Beside(one).launch), _keeper(one))[1] for one in stands]
        assert len({keeper.pid for keeper in keepers}) == 3
        assert {psutil.Process(keeper.pid).ppid() for keeper in keepers} == {process.pid}
        assert _zygotes() == [process]
        zygote_link._leave()
        process.wait(10)
        assert all(identity.is_alive(keeper) and identity.running(one.data, one.sid) for keeper, one in zip(keepers, stands, strict=True))
    finally:
        for one in stands:
            one.clean()


def test_a_keeper_that_ends_is_not_left_unburied(stand, beginning, eventually) -> None:
    process = beginning()
    vmm = stand.start("sleep", "60", beside=Beside(stand).launch)
    keeper = _keeper(stand)
    assert psutil.Process(keeper.pid).ppid() == process.pid
    identity.send(vmm, signal.SIGKILL)
    assert eventually(lambda: not psutil.pid_exists(keeper.pid))
    assert process.status() != psutil.STATUS_ZOMBIE


def test_who_is_killed_after_asking_has_started_it(stand, beginning, eventually) -> None:
    """The lock is held by the message alone until then, so nobody starts a second one."""
    process = beginning()
    process.suspend()
    zygote_link._links[0].wire.settimeout(0.2)
    what = stand.order("sleep", "60", beside=Beside(stand).launch)
    launch.prepare(what)
    with pytest.raises(Permanent, match="cannot be started"):
        launch._start(what, stand.beside("log"))
    # As after a kill, nobody has the other end of the socket any more.
    assert identity.is_held(stand.record)
    with pytest.raises(Permanent, match="nothing is started beside it"):
        launch.require_free(stand.record)
    process.resume()
    assert eventually(lambda: identity.running(stand.data, stand.sid))
    process.wait(10)
    assert identity.is_alive(_keeper(stand))


def test_a_kill_of_who_asks_leaves_the_vmm_with_its_keeper_and_no_zygote(stand, adopting, eventually, tmp_path) -> None:
    beside = Beside(stand).launch
    lines = [
        "import os, signal",
        "from pathlib import Path",
        "from herocloud.providers.vmm import launch",
        "from herocloud.providers.vmm.launch import Launch",
        "launch.has_systemd = lambda: False",
        f"record, other, program = (Path(one) for one in {[str(stand.record), str(beside.record), str(beside.python)]!r})",
        f"marked, also = {dict(stand.order().environment)!r}, {dict(beside.environment)!r}",
        f"beside = Launch(other, {list(beside.command)!r}, Path('/s'), 'no', also, 'b', python=program)",
        "what = Launch(record, ['sleep', '60'], Path('/s'), 'no', marked, 'u', beside=beside)",
        "launch.prepare(what)",
        "launch._start(what, what.record.with_name('process.log'))",
        "os.kill(os.getpid(), signal.SIGKILL)",
    ]
    ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    known = eventually(lambda: identity.running(stand.data, stand.sid))
    assert psutil.Process(known.pid).ppid() == _keeper(stand).pid
    for process in _zygotes():
        process.wait(10)
    assert eventually(lambda: _zygotes() == [])
    assert identity.is_alive(known)
    assert identity.is_alive(_keeper(stand))


def test_one_that_was_killed_takes_no_vmm_along_and_the_next_start_has_another(stand, beginning, eventually, tmp_path) -> None:
    process = beginning()
    vmm = stand.start("sleep", "60", beside=Beside(stand).launch)
    process.kill()
    process.wait(10)
    assert identity.is_alive(vmm)
    assert identity.is_alive(_keeper(stand))
    other = type(stand)(tmp_path / "other")
    try:
        assert identity.is_alive(other.start("sleep", "60", beside=Beside(other).launch))
        assert identity.is_alive(_keeper(other))
    finally:
        other.clean()
        zygote_link._leave()
        assert eventually(lambda: _zygotes() == [])


def test_one_that_is_not_asked_ends_and_no_start_is_lost_by_that(stand, beginning, eventually, monkeypatch) -> None:
    begun, begin = [], zygote_link._begin
    monkeypatch.setattr(zygote_link, "_begin", lambda: begun.append(begin()) or begun[-1])
    monkeypatch.setattr(zygote_link, "_IDLE", 0.001)
    for number in range(10):
        vmm = stand.start("sleep", "60", beside=Beside(stand).launch)
        identity.send(vmm, signal.SIGKILL)
        launch.dismiss(stand.record)
        # Some meet one that is just about to end, and every other one meets none.
        assert number % 2 or eventually(lambda: _zygotes() == [])
    assert 5 <= len(begun) <= 10


@pytest.mark.parametrize(("answer", "words"), [(b"Cannot allocate memory", "Cannot allocate memory"), (b"", "has ended")])
def test_one_that_can_make_no_keeper_is_told_and_starts_nothing(stand, monkeypatch, answer: bytes, words: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def refuse() -> None:
        with theirs:
            _, (lock,), _, _ = socket.recv_fds(theirs, 65536, 1)
            os.close(lock)
            if answer:
                theirs.send(answer)

    monkeypatch.setattr(zygote_link, "_links", [zygote_link._Link(zygote_link._owner(), ours)])
    refusing = threading.Thread(target=refuse)
    refusing.start()
    what = stand.order("sleep", "60", beside=Beside(stand).launch)
    launch.prepare(what)
    with ours, pytest.raises(Permanent, match=f"`sleep` cannot be started: .*{words}"):
        launch._start(what, stand.beside("log"))
    refusing.join()
    assert not identity.is_held(stand.record)
    assert not stand.record.exists()
