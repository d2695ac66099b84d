"""The console of a guest: keys go in, what it prints comes out, Ctrl-] leaves, and the terminal is as before."""

import os
import pty
import socket
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.guests import consoles
from herocloud.providers.guests.channels import Off


class Guest:
    """The guest's end of a console."""

    def __init__(self, path: Path) -> None:
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(1)
        self.wire: socket.socket | None = None

    def accept(self) -> socket.socket:
        self.server.settimeout(20)
        self.wire = self.server.accept()[0]
        self.wire.settimeout(20)
        return self.wire

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
        self.server.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serial.sock"


@pytest.fixture
def guest(path: Path) -> Iterator[Guest]:
    guest = Guest(path)
    yield guest
    guest.close()


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal: the person's, and the program's."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


def _sit(path: Path, program: int) -> tuple[threading.Thread, list[str], threading.Event]:
    ended: list[str] = []
    attached = threading.Event()
    thread = threading.Thread(target=lambda: ended.append(consoles.attach(path, program, program, attached=attached.set)))
    thread.start()
    assert attached.wait(timeout=20)
    return thread, ended, attached


def _read(person: int, count: int) -> bytes:
    said = b""
    while len(said) < count:
        said += os.read(person, count - len(said))
    return said


def test_keys_go_in_and_words_come_out_until_somebody_leaves(path, guest, terminal) -> None:
    person, program = terminal
    before = termios.tcgetattr(program)
    thread, ended, _ = _sit(path, program)
    wire = guest.accept()
    os.write(person, b"ls\r\x03")
    assert wire.recv(100) == b"ls\r\x03"
    wire.sendall(b"\x1b[1mfiles\r\n")
    assert _read(person, 11) == b"\x1b[1mfiles\r\n"
    os.write(person, b"q" + consoles.LEAVE + b"not for the guest")
    thread.join(timeout=20)
    assert ended == ["left"]
    assert wire.recv(100) == b"q"
    assert wire.recv(100) == b""
    assert termios.tcgetattr(program) == before


def test_a_vm_that_goes_off_ends_it_and_the_terminal_is_as_before(path, guest, terminal) -> None:
    _, program = terminal
    before = termios.tcgetattr(program)
    thread, ended, _ = _sit(path, program)
    guest.accept().close()
    thread.join(timeout=20)
    assert ended == ["the VM went off"]
    assert termios.tcgetattr(program) == before


def test_there_is_room_for_one(path, guest, terminal) -> None:
    person, program = terminal
    thread, _, _ = _sit(path, program)
    with pytest.raises(Permanent, match="somebody else sits at this console"):
        consoles.attach(path, program, program)
    os.write(person, consoles.LEAVE)
    thread.join(timeout=20)


@pytest.mark.parametrize("make", [lambda _path: None, Path.touch], ids=["no socket", "a dead one"])
def test_a_vm_that_does_not_run_has_no_console(path, terminal, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(Off, match="does not run"):
        consoles.attach(path, terminal[1], terminal[1])
