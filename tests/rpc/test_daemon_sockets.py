"""What a daemon listens at: a detached one runs only when all of it is there, and systemd may have opened it before."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import durable_files
from herocloud.model.errors import Refused
from herocloud.rpc.client import Client
from herocloud.rpc.daemon import daemon_process
from herocloud.rpc.wire import systemd, unix_socket

SECONDS = 60.0


@pytest.fixture
def place(herocloud: Any) -> Iterator[Path]:
    """Return a folder whose path is short enough for sockets, beside a data folder that is left without a daemon."""
    folder = Path(tempfile.mkdtemp(prefix="hc-listen-"))
    yield folder
    herocloud("daemon", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def token(place: Path) -> Path:
    path = place / "token"
    path.touch(mode=0o600)
    path.write_text("0123456789abcdef0123456789abcdef", encoding="utf-8")
    return path


def detach(herocloud: Any, place: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    # In a process of its own, because the daemon outlives the command and is no child of the tests.
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(herocloud.data_folder), "daemon", "run", "--detach"]
    return subprocess.run([*command, "--socket", str(place / "rpc.sock"), *flags], capture_output=True, text=True, check=False)


def test_a_port_that_is_taken_is_said_before_it_runs(herocloud: Any, place: Path, token: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = detach(herocloud, place, "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--token-file", str(token))
    assert ran.returncode != 0
    assert "cannot be listened at" in ran.stderr
    assert daemon_process.find(herocloud.data_folder) is None


def test_files_that_it_cannot_read_are_said_before_it_runs(herocloud: Any, place: Path) -> None:
    (herocloud.data_folder / "state.db").write_bytes(b"no database at all" * 100)
    ran = detach(herocloud, place)
    assert ran.returncode != 0
    assert "state.db" in ran.stderr
    assert daemon_process.find(herocloud.data_folder) is None


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object, **__: object) -> None:
        # As a write says it, which knows no name.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable_files, "write_durably", write)
    with pytest.raises(Refused) as refused, daemon_process.be_the_only_one(tmp_path) as record:
        record(tmp_path / "rpc.sock")
    (found,) = refused.value.diagnostics
    assert found.code == "state-disk-full"
    assert str(tmp_path / daemon_process.RECORD) in found.detail


def test_a_detached_daemon_answers_everywhere_when_the_command_returns(herocloud: Any, place: Path, token: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert detach(herocloud, place, "--listen", f"127.0.0.1:{port}", "--token-file", str(token)).returncode == 0
    with Client(place / "rpc.sock") as client, Client(f"http://127.0.0.1:{port}", token=token.read_text()) as public:
        assert client.rpc_health()["ready"]
        assert public.rpc_health()["ready"]


# In the child the variables are set after its process id is known, as systemd does.
ACTIVATED = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "herocloud", *sys.argv[2:]])
"""


@pytest.fixture
def activate(herocloud: Any, place: Path) -> Iterator[Callable[[socket.socket], subprocess.Popen[str]]]:
    """Run a daemon over a socket that was opened before, with a service manager that hears of it."""
    running: list[subprocess.Popen[str]] = []

    def run(listener: socket.socket) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", ACTIVATED, str(listener.fileno()), "--data-dir", str(herocloud.data_folder), "daemon", "run"]
        environment = {**os.environ, "NOTIFY_SOCKET": str(place / "notify"), "WATCHDOG_USEC": "200000"}
        running.append(subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()], stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def manager(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(str(place / "notify"))
        opened.settimeout(SECONDS)
        yield opened


def test_a_daemon_serves_the_socket_of_systemd_and_is_found_there(herocloud: Any, place: Path, activate: Any, manager: Any) -> None:
    path = place / "given.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = activate(listener)
    heard = {manager.recv(64)}
    while not {b"READY=1", b"WATCHDOG=1"} <= heard:
        heard.add(manager.recv(64))
    with Client(path) as client:
        assert client.rpc_health()["ready"]
    status = herocloud("daemon", "status")
    assert (status.code, str(path) in status.out) == (0, True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    while manager.recv(64) != b"STOPPING=1":
        pass
    # It belongs to systemd, which starts the next daemon for it.
    assert path.is_socket()


def test_a_port_of_systemd_is_refused(herocloud: Any, activate: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = activate(listener)
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "other than a unix socket" in said
    assert daemon_process.find(herocloud.data_folder) is None


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_hears_of_us_twice_as_often_as_it_asks(environment: dict[str, str], seconds: float | None) -> None:
    assert systemd.watchdog_seconds(environment, 7) == seconds


@pytest.mark.parametrize(
    "environment", [{}, {"LISTEN_PID": "8", "LISTEN_FDS": "1"}, {"LISTEN_PID": "7"}, {"LISTEN_PID": "7", "LISTEN_FDS": "x"}]
)
def test_sockets_that_are_not_for_us_are_not_taken(environment: dict[str, str]) -> None:
    assert systemd.take_sockets(environment, 7) == []


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    assert not systemd.notify("READY=1", {})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": "relative"})
    assert not systemd.notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0herocloud-test-{os.getpid()}")
        assert systemd.notify("READY=1", {"NOTIFY_SOCKET": f"@herocloud-test-{os.getpid()}"})
        assert manager.recv(64) == b"READY=1"


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_socket_in_a_folder_where_others_write_is_refused(herocloud: Any, place: Path, mode: int) -> None:
    shared = place / "open"
    shared.mkdir()
    if mode == 0o775:
        os.chown(shared, -1, 12345)
    shared.chmod(mode)
    ran = herocloud("daemon", "run", "--socket", str(shared / "rpc.sock"))
    assert ran.code == 1
    assert "Others may put a socket in the place of ours" in ran.err
    assert f"may write to `{shared}`" in ran.err
    assert list(shared.iterdir()) == []


def test_folders_that_are_made_for_the_socket_are_closed_to_others(place: Path) -> None:
    before = os.umask(0)
    try:
        unix_socket.bind(place / "a" / "b" / "rpc.sock").close()
    finally:
        os.umask(before)
    assert [(place / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o755, 0o755]
