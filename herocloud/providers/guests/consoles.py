"""Sitting at the serial console of a guest: the terminal passes every key, and one key leaves.

Ctrl-] leaves, as in telnet and virsh: it is on every keyboard, shells and editors do not use it, and ^C has to reach the guest.
"""

import errno
import fcntl
import os
import select
import socket
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import own_sockets
from herocloud.model.errors import Permanent
from herocloud.providers.guests.channels import Off

LEAVE = b"\x1d"
LEAVE_NAME = "Ctrl-]"
_PIECE = 4096


def attach(path: Path, keyboard: int, screen: int, *, attached: Callable[[], None] = lambda: None) -> str:
    """Connect a terminal to the console behind a socket until somebody leaves; returns who did: `left` or `the VM went off`.

    `attached` is called once the keys go to the guest.
    """
    with _alone(path), _connected(path) as wire, _raw(keyboard):
        attached()
        while True:
            ready, _, _ = select.select([keyboard, wire.fileno()], [], [])
            if wire.fileno() in ready:
                said = _receive(wire)
                if not said:
                    return "the VM went off"
                _write(screen, said)
            if keyboard in ready:
                typed = os.read(keyboard, _PIECE)
                before, key, _ = typed.partition(LEAVE)
                if before:
                    wire.sendall(before)
                if key or not typed:
                    return "left"


def _receive(wire: socket.socket) -> bytes:
    try:
        return wire.recv(_PIECE)
    except ConnectionResetError:
        return b""


def _write(screen: int, said: bytes) -> None:
    while said:
        said = said[os.write(screen, said) :]


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as wire:
        try:
            with own_sockets.held(path) as place:
                wire.connect(place)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                raise Off("nobody is at the console's socket; the VM does not run") from error
            raise Permanent(f"the console `{path}` cannot be opened ({error.strerror})") from error
        yield wire


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only one at the console: QEMU would let a second one wait in silence, and two at one keyboard is nobody's wish."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError as error:
        raise Off("the VM has no sockets; it does not run") from error
    except OSError as error:
        raise Permanent(f"`{path.parent}` may not be written to by this user; the VM belongs to somebody else") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Permanent("somebody else sits at this console; there is room for one") from None
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    """Let the terminal pass every key, and put it back as it was, whatever happens."""
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
