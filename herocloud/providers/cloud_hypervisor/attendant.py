"""The process beside a VMM: keeps what the guest writes to its serial port, leads people to it, and boots a VM whose VMM was started again.

Cloud Hypervisor gives its serial port to one client of a socket, makes that socket again at every start of the guest, and starts empty:
somebody has to listen all the time, and to say what to run when the program was started again. `python -I -S attendant.py FOLDER SOCKETS`
does both, with the standard library alone, because there is one of it per VM. It ends when the VMM has ended for good.

It also keeps small what the program writes about itself, its events and its log: a guest that resets its devices again and again makes
lines without end, and the program knows no limit.

`jail` becomes this program without starting another interpreter, and what it imports at its start is small: it starts once per VM, and
`socket`, `selectors`, `contextlib` and all of `os` but `posix` would take more of a processor than all that it does there.

A program in another language would take less memory, and something to compile it; a file as serial port takes no process, and the program
empties it at every start of the guest.
"""

import _socket
import fcntl
import posix as os
import select
import sys
import time

_PIECE = 65536
_SOON, _LATER = 0.02, 0.25
"""Seconds between two tries to reach the serial port: a guest that starts should not wait, and one that is off does not matter."""
_EAGER = 3.0
_LIMIT = 4 * 1024**2
_GROWING = ("events", "vmm.log")
"""What the program writes into, from its start on and never at its end: cut off, it would only get a hole."""
KEPT = 1024**2
"""Bytes of it that stay, the newest; readers of events have read what is older."""
_BETWEEN_LOOKS = 10.0
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_TELLS_ABSENCE = 53
"""The first release with a status code of its own for "there is no VM"."""
_ABSENT = b"VM is not created"
_READ, _WRITE = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR, select.EPOLLOUT
_WAITING = 1024**2
"""Bytes that are kept for somebody at the console who does not read."""


class Attendant:
    """Everything that happens in one loop; nothing here is shared with threads."""

    def __init__(self, folder: str, sockets: str) -> None:
        """Work between the folder that a VMM keeps its files in and the one of its sockets."""
        self._folder = folder
        self._serial_path, self._api_path = f"{sockets}/tty.sock", f"{sockets}/api.sock"
        self._console_path, self._draft_path = f"{sockets}/serial.sock", f"{sockets}/new.sock"
        self._log = os.open(self._file("serial.log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._poll = select.epoll()
        self._serial: _socket.socket | None = None
        self._people: dict[int, _socket.socket] = {}
        self._waiting: dict[int, bytearray] = {}
        """What each of them has not read yet."""
        self._eager_until = time.monotonic() + _EAGER
        self._next_try = self._next_question = 0.0
        self._next_look = time.monotonic() + _BETWEEN_LOOKS
        self._is_new = True
        """Whether no guest has begun yet, so that nothing can have ended which somebody waits for."""
        self._listener = self._listen()

    def run(self) -> int:
        """Attend until the VMM has ended for good."""
        while True:
            if self._serial is None and time.monotonic() >= self._next_try:
                self._reach()
            if self._serial is None and self._asks_again() and not self._is_kept():
                return 0
            for number, events in self._poll.poll(_SOON if self._serial is None else _BETWEEN_LOOKS):
                self._handle(number, events)
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + _BETWEEN_LOOKS
                self._stay_reachable()
                for name in _GROWING:
                    with _Quietly(OSError):
                        bound(self._file(name))

    def _handle(self, number: int, events: int) -> None:
        if number == self._listener.fileno():
            self._welcome()
        elif self._serial is not None and number == self._serial.fileno():
            self._hear()
        elif number in self._people:
            if events & _WRITE:
                self._write(number)
            if events & _READ and number in self._people:
                self._type(number)

    def _file(self, name: str) -> str:
        return f"{self._folder}/{name}"

    def _listen(self) -> _socket.socket:
        """Listen, and only then have the socket under its name: others connect as soon as they see it."""
        with _Quietly(FileNotFoundError):
            os.unlink(self._draft_path)
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(self._draft_path)
        listener.listen(4)
        os.rename(self._draft_path, self._console_path)
        listener.setblocking(False)
        self._poll.register(listener.fileno(), select.EPOLLIN)
        return listener

    def _stay_reachable(self) -> None:
        """Listen again where somebody has removed the socket: who is connected stays, and nobody else would get to the console."""
        if not _exists(self._console_path):
            with _Quietly(OSError):
                listener = self._listen()
                self._poll.unregister(self._listener.fileno())
                self._listener.close()
                self._listener = listener

    # The guest's side.

    def _reach(self) -> None:
        wire = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            wire.connect(self._serial_path)
        except OSError:
            wire.close()
            eager = time.monotonic() < self._eager_until
            self._next_try = time.monotonic() + (_SOON if eager else _LATER)
            if not eager:
                self._boot_again()
            return
        wire.setblocking(False)
        self._serial, self._is_new = wire, False
        self._poll.register(wire.fileno(), select.EPOLLIN)

    def _hear(self) -> None:
        if self._serial is None:
            return
        try:
            said = self._serial.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._poll.unregister(self._serial.fileno())
            self._serial.close()
            self._serial = None
            self._eager_until = time.monotonic() + _EAGER
            self._next_try = 0.0
            return
        self._keep(said)
        for number in list(self._people):
            if len(self._waiting[number]) < _WAITING:
                self._waiting[number] += said
                self._write(number)

    def _keep(self, said: bytes) -> None:
        with _Quietly(OSError):
            os.write(self._log, said)
            if os.fstat(self._log).st_size > _LIMIT:
                self._cut()

    def _cut(self) -> None:
        """Put what the log holds aside and begin again; a follower notices that it is shorter.

        Copied and not renamed: the folder is not the VM's to make files in.
        """
        with open(self._file("serial.log"), "rb") as log, open(self._file("serial.log.1"), "wb") as aside:  # noqa: PTH123
            while piece := log.read(_PIECE):
                aside.write(piece)
        os.ftruncate(self._log, 0)

    # The people's side.

    def _welcome(self) -> None:
        with _Quietly(OSError):
            number, _ = self._listener._accept()  # type: ignore[attr-defined]  # noqa: SLF001  (what `socket.accept` is made of)
            wire = _socket.socket(fileno=number)
            wire.setblocking(False)
            self._people[number], self._waiting[number] = wire, bytearray()
            self._poll.register(number, select.EPOLLIN)

    def _type(self, number: int) -> None:
        try:
            typed = self._people[number].recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            typed = b""
        if not typed:
            self._leave(number)
        elif self._serial is not None:
            with _Quietly(OSError):
                self._serial.sendall(typed)

    def _write(self, number: int) -> None:
        waiting = self._waiting[number]
        try:
            del waiting[: self._people[number].send(waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave(number)
            return
        self._poll.modify(number, select.EPOLLIN | (select.EPOLLOUT if waiting else 0))

    def _leave(self, number: int) -> None:
        self._poll.unregister(number)
        del self._waiting[number]
        self._people.pop(number).close()

    # The VMM.

    def _asks_again(self) -> bool:
        """Return whether it is time to ask if the VMM is there: less often while it has just been started than there are tries."""
        if self._is_new and time.monotonic() < self._next_question:
            return False
        self._next_question = time.monotonic() + _LATER
        return True

    def _is_kept(self) -> bool:
        """Return whether the VMM runs, or is started again: its keeper holds its lock."""
        try:
            lock = os.open(self._file("process.lock"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _boot_again(self) -> None:
        """Give a VMM that was started again its VM. One that somebody else is starting just now has a file that says so."""
        if _exists(self._file("process.stop")):
            return
        import json

        try:
            with open(self._file("boot.json"), "rb") as stream:  # noqa: PTH123
                config = stream.read()
            if not self._is_empty():
                return
            for path in json.loads(config)["unlink"]:
                with _Quietly(FileNotFoundError):
                    os.unlink(path)
            if self._call("PUT", "vm.create", json.dumps(json.loads(config)["config"]).encode())[0] < 300:
                status = self._call("PUT", "vm.boot")[0]
                if status >= 300:
                    self._call("PUT", "vm.delete")
        except (OSError, ValueError, KeyError, IndexError):
            return
        self._eager_until = time.monotonic() + _EAGER

    def _is_empty(self) -> bool:
        """Return whether the VMM has no VM. Releases before 53 say so with the status of any failure, so the message counts as well."""
        status, answer = self._call("GET", "vm.info")
        if status in (200, 404):
            return status == 404
        import json

        found = json.loads(self._call("GET", "vmm.ping")[1].partition(b"\r\n\r\n")[2])
        release = int(found["version"].lstrip("v").partition(".")[0])
        return release < _TELLS_ABSENCE and _ABSENT in answer

    def _call(self, method: str, call: str, body: bytes = b"") -> tuple[int, bytes]:
        wire = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            wire.settimeout(60)
            wire.connect(self._api_path)
            head = f"{method} /api/v1/{call} HTTP/1.1\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
            wire.sendall(head.encode() + body)
            answer = b""
            while not _is_whole(answer) and (piece := wire.recv(_PIECE)):
                answer += piece
        finally:
            wire.close()
        return int(answer.split(b" ", 2)[1]), answer


class _Quietly:
    """What `contextlib.suppress` does."""

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._kinds)


def bound(path: str) -> None:
    """Take away the older part of a file that takes much room: its place becomes a hole, so nobody who writes or reads loses theirs."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_blocks * 512 <= _LIMIT:
            return
        import ctypes

        sizes = (ctypes.c_int64(0), ctypes.c_int64(status.st_size - KEPT))
        if ctypes.CDLL(None).fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, *sizes) != 0:
            # A file system without holes that can be made: its newest part goes as well.
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def _is_whole(answer: bytes) -> bool:
    """Return whether an HTTP answer is there with all of its body."""
    head, end, body = answer.partition(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    return bool(end) and len(body) >= sum(int(value) for name, _, value in lines if name == b"content-length")


if __name__ == "__main__":
    sys.exit(Attendant(*sys.argv[1:3]).run())
