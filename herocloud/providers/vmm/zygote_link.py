"""The zygote of this process (`zygote`): started when the first VM is, asked for the keeper of each, and gone soon after this process is.

Only what has something in Python beside it is started by one. What has not would keep the memory of an interpreter for its keeper alone.
"""

import atexit
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.providers.vmm import identity, jail_command, zygote

_PATIENCE = 10.0
"""Seconds after which even a busy host has started an interpreter, or divided one."""
_IDLE = 5.0
"""Seconds without a message after which a zygote ends: this process may be a daemon, and the next VM starts another one."""
_ROOM = "-" * 1024
"""Words and an environment in whose place those of others are written: a path or two, and the token of a VM."""
_MOST_BYTES = 4096


class KeeperOrder(NamedTuple):
    """With what a keeper is started, and what it begins with."""

    log: Path
    record: Path
    orders: Path
    """Those for `jail`, which the process of the VM begins as."""
    other: Path
    """The record of what works beside it."""
    companion: Path
    """The program of that one."""
    environment: Mapping[str, str]
    shell: Sequence[str]
    """The words of the shell that it becomes once the process has ended."""


class _Link(NamedTuple):
    owner: tuple[int, ...]
    """The process that started it, as one that was divided from that has none, and the namespaces that its thread was in."""
    wire: socket.socket


_TURN = threading.Lock()
_links: list[_Link] = []
"""The one that is there, or none."""


def start_keeper(order: KeeperOrder, lock: int) -> None:
    """Have a keeper begin, which goes on to hold a lock. Raises OSError or CommandError when nothing can be started."""
    environment = [f"{name}={value}" for name, value in order.environment.items()]
    words = [order.log, order.record, order.orders, order.other, order.companion]
    message = os.fsencode("\0".join([*map(str, words), str(len(environment)), *environment, *order.shell]))
    with _TURN:
        wire = _send(message, lock)
        try:
            answer = wire.recv(_MOST_BYTES)
        except BaseException:
            _leave()
            raise
        if not answer:
            _leave()
            raise ConnectionError("what would have started it has ended")
    if answer != zygote.DONE:
        raise OSError(answer.decode(errors="replace"))


def _send(message: bytes, lock: int) -> socket.socket:
    """Send to the zygote that is there, or to a new one where that has gone; returns where the answer comes."""
    if _links and _links[0].owner == _owner():
        try:
            socket.send_fds(_links[0].wire, [message], [lock], socket.MSG_NOSIGNAL)
        except OSError:
            # It had nothing to do, and takes nothing any more: this has not reached it.
            _leave()
        else:
            return _links[0].wire
    _leave()
    _links[:] = [_Link(_owner(), _begin())]
    socket.send_fds(_links[0].wire, [message], [lock], socket.MSG_NOSIGNAL)
    return _links[0].wire


def _owner() -> tuple[int, ...]:
    """Return who may use what is started now: a VM comes to be in the namespaces of the thread that asks for it."""
    return (os.getpid(), *(os.stat(f"/proc/thread-self/ns/{kind}").st_ino for kind in ("net", "mnt")))  # noqa: PTH116  (per start)


@atexit.register
def _leave() -> None:
    for link in _links:
        link.wire.close()
    _links.clear()


def _begin() -> socket.socket:
    words = jail_command.words(str(jail_command.JAIL), str(_IDLE), _ROOM, program=Path(zygote.__file__))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        ours.settimeout(_PATIENCE)
        subprocesses.run(words, timeout=_PATIENCE, environment={identity.TOKEN: _ROOM}, apart=True, stdin=theirs.fileno())
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return ours
