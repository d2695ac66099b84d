"""Making taps: the one thing that is no netlink message but a file that is opened.

A tap lives as long as its file is open until it is told to persist. It is told last: a process that dies on the way takes an unmarked
tap with it, and nothing is left that could not be told from somebody else's.
"""

import errno
import fcntl
import os
import socket
import struct
from types import TracebackType
from typing import Self

from herocloud.kits import faults
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers.network.linking import EFFECT

_DEVICE = "/dev/net/tun"
_SET, _PERSIST, _OWNER = 0x400454CA, 0x400454CB, 0x400454CC
_TAP, _NO_INFO, _VNET, _MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100


class Tap:
    """An open tap; made when it does not exist. It goes with its file unless `keep` was called."""

    def __init__(self, name: str, owner: int, *, multi_queue: bool) -> None:
        """Open the tap and set the user who may use it, so that the VMM needs no capability."""
        self._name = name
        self._file = _open()
        flags = _TAP | _NO_INFO | _VNET | (_MULTI_QUEUE if multi_queue else 0)
        try:
            fcntl.ioctl(self._file, _SET, struct.pack("16sH22x", name.encode(), flags))
            fcntl.ioctl(self._file, _OWNER, owner)
        except OSError as error:
            os.close(self._file)
            raise _explain(error, name) from error

    @property
    def number(self) -> int:
        """Return the number of the interface."""
        return socket.if_nametoindex(self._name)

    def keep(self) -> None:
        """Let the tap outlive this process."""
        faults.reached(EFFECT)
        fcntl.ioctl(self._file, _PERSIST, 1)

    def __enter__(self) -> Self:
        """Hold the tap open."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of it."""
        os.close(self._file)


def _open() -> int:
    try:
        return os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise Permanent(f"this kernel lacks taps (module tun): there is no `{_DEVICE}`; load or build in the module") from error
        raise Permanent(f"`{_DEVICE}` cannot be opened ({error.strerror}); taps need root, or a user who may open it") from error


def _explain(error: OSError, name: str) -> Exception:
    if error.errno == errno.EPERM:
        return Permanent(f"the tap `{name}` needs CAP_NET_ADMIN, which this process does not have; run it as root")
    if error.errno == errno.EBUSY:
        return Temporary(f"the tap `{name}` is in use by another process")
    if error.errno == errno.EINVAL:
        return Conflict(f"`{name}` exists and is no tap of the kind that is wanted")
    return Permanent(f"the tap `{name}` cannot be made ({error.strerror})")
