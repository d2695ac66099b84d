"""What the program takes from the host for real: locks on disks, taps, a socket for vsock, threads with the names of vCPUs."""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading

import landlock
from refusals import Refusal

_TUNSETIFF = 0x400454CA
_TAP, _NO_PI, _VNET, _MULTI = 0x0002, 0x1000, 0x4000, 0x0100
_PR_SET_NAME = 15
_NO_NET = ("Error from device manager", "Cannot create virtio-net device")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Disk:
    """An open disk and its lock. Other programs meet the lock; the program itself does too, in another open file."""

    def __init__(self, path: str, *, readonly: bool) -> None:
        try:
            landlock.require(path, "r" if readonly else "rw")
            self._file = os.open(path, os.O_CLOEXEC | (os.O_RDONLY if readonly else os.O_RDWR))
        except OSError as error:
            raise Refusal("Error from device manager", "Disk image open failed", _words(error)) from error
        kind = fcntl.F_RDLCK if readonly else fcntl.F_WRLCK
        self._readonly, self._path = readonly, path
        self._lock = struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, max(1, os.fstat(self._file).st_size), 0)

    def lock(self) -> None:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, self._lock)
        except OSError as error:
            kind = "Read" if self._readonly else "Write"
            raise Refusal(f"Failed to get {kind} lock for disk image: {self._path}", "The file is already locked") from error

    def resize(self, size: int) -> None:
        if size % 512:
            raise Refusal("Failed resizing a disk image", "The requested size is not a multiple of the sector size")
        os.ftruncate(self._file, size)

    def close(self) -> None:
        os.close(self._file)


class Tap:
    """A tap that exists already or is made, as the program does it."""

    def __init__(self, name: str | None, *, pairs: int) -> None:
        try:
            landlock.require("/dev/net/tun", "rw")
            if name and os.path.exists(f"/sys/class/net/{name}"):
                landlock.require(f"/sys/class/net/{name}/tun_flags")
            self._file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Refusal(
                "Error from device manager", "Cannot create virtio-net device", "Couldn't open /dev/net/tun", _words(error)
            ) from error
        flags = _TAP | _NO_PI | _VNET | (_MULTI if pairs > 1 else 0)
        try:
            fcntl.ioctl(self._file, _TUNSETIFF, struct.pack("16sH22x", (name or "vmtap%d").encode(), flags))
        except OSError as error:
            os.close(self._file)
            raise Refusal(
                *_NO_NET,
                "Failed to open taps",
                f"Failed to open tap device {name}",
                f"Unable to configure tap interface: {_words(error)}",
            ) from error

    def close(self) -> None:
        os.close(self._file)


class VsockSocket:
    """The socket that leads to the guest. One that a dead program left behind is fatal."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            landlock.require(os.path.dirname(path), "w")
            self._socket.bind(path)
        except OSError as error:
            self._socket.close()
            raise Refusal("Error from device manager", "Cannot create virtio-vsock backend", f"UnixBind({_words(error)})") from error
        self._socket.listen(8)

    def close(self) -> None:
        self._socket.close()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            return


class Cpu:
    """A thread that bears the name of a vCPU and does nothing."""

    def __init__(self, number: int, affinity: list[int] | None) -> None:
        self._over = threading.Event()
        self._began = threading.Event()
        self._failed: OSError | None = None
        self._thread = threading.Thread(target=self._run, args=(number, affinity), daemon=True)
        self._thread.start()
        self._began.wait()
        if self._failed is not None:
            raise Refusal("Error from CPU manager", "Error setting vCPU scheduling affinity", _words(self._failed))

    def _run(self, number: int, affinity: list[int] | None) -> None:
        _LIBC.prctl(_PR_SET_NAME, f"vcpu{number}".encode(), 0, 0, 0)
        try:
            if affinity:
                os.sched_setaffinity(0, affinity)
        except OSError as error:
            self._failed = error
        self._began.set()
        self._over.wait()

    def close(self) -> None:
        self._over.set()
        self._thread.join()


def _words(error: OSError) -> str:
    return f"{error.strerror} (os error {error.errno or errno.EIO})"
