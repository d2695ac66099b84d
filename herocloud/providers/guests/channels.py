"""The channel to an agent: a unix socket that one may use at a time, with texts of JSON a line.

Such a socket leads into a virtio-serial port, and that port remembers: half a request that somebody left, answers that nobody read,
requests that wait until the guest has booted. So every conversation begins with a number that the agent has to say back, behind a byte
that JSON cannot hold, and everything before it is thrown away. QEMU serves one client and lets the others wait in silence, so clients
queue for a lock beside the socket, where a wait can be bounded and explained.

It is synchronous with time-outs, and not asyncio: a conversation is a few lines, and its callers are commands and the threads of an apply.
"""

import errno
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import own_sockets
from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.guests import agent_answers

DELIMITER = b"\xff"
"""Stands in no UTF-8 text, so an agent that is in the middle of one starts over."""
_LONGEST_LEFTOVER = 1024**2
"""Bytes in front of the number that an agent says back, after which they are thrown away."""
_PIECE = 65536
_POLL = 0.02
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 8.0
"""Seconds until the number is said again. They grow, because a guest that is slower than we are would never be met otherwise."""
_OFF = (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)


class Silent(Temporary):
    """The agent does not answer; it may be booting, or absent, or the guest hangs."""


class Off(Temporary):
    """There is nobody at the socket: the VM does not run."""


class Refusal(Permanent):
    """The agent answered that it cannot."""

    def __init__(self, kind: str, said: str) -> None:
        """Keep what kind of refusal it is: `CommandNotFound`, `GenericError`."""
        super().__init__(said)
        self.kind = kind


class Endpoint(NamedTuple):
    """Where an agent is reached."""

    path: Path
    port: int | None = None
    """The vsock port behind a socket that serves several (Cloud Hypervisor, Firecracker); such a socket is first told which."""


class Channel:
    """One conversation with an agent; made by `talk`."""

    def __init__(self, endpoint: Endpoint, wire: socket.socket) -> None:
        """Take a connected socket."""
        self._endpoint, self._wire = endpoint, wire
        self._read = bytearray()

    def greet(self, until: float) -> None:
        """Agree on where the conversation begins: the agent says our number back. Raises Silent when it does not until then."""
        wait = _FIRST_WAIT
        while True:
            number = secrets.randbelow(2**31)
            self._send(DELIMITER + _request("guest-sync-delimited", {"id": number}), until)
            try:
                self._find_number(number, min(until, time.monotonic() + wait))
            except Silent:
                if time.monotonic() >= until:
                    raise
                wait = min(wait * 2, _LONGEST_WAIT)
            else:
                return

    def ask(self, command: str, arguments: Mapping[str, Json] | None = None, *, timeout: float) -> Json:
        """Ask for something and return the answer; raises Refusal when the agent says that it cannot."""
        until = time.monotonic() + timeout
        self._send(_request(command, arguments), until)
        while True:
            answer = agent_answers.parse(self._line(until))
            if isinstance(answer, dict) and "error" in answer:
                raise Refusal(*agent_answers.refusal(answer["error"]))
            if isinstance(answer, dict) and "return" in answer:
                return answer["return"]

    def tell(self, command: str, arguments: Mapping[str, Json] | None = None, *, timeout: float) -> None:
        """Ask for something that is not answered when it works, as a shutdown is not."""
        self._send(_request(command, arguments), time.monotonic() + timeout)

    def enter(self, port: int, until: float) -> None:
        """Name the vsock port that a shared socket leads to."""
        try:
            self._send(f"CONNECT {port}\n".encode(), until)
            answer = self._line(until)
        except Off:
            # It hangs up where nobody listens in the guest; a VM that went off is met at the next try to connect.
            answer = b""
        if not answer.startswith(b"OK "):
            raise Silent(f"nothing in the guest listens on vsock port {port}; the guest may still be booting, or have no agent on vsock")

    def _find_number(self, number: int, until: float) -> None:
        while True:
            # What stands before the delimiter is left over from an earlier conversation, whole or not.
            line = self._line(until, _LONGEST_LEFTOVER).rpartition(DELIMITER)[2]
            try:
                answer = agent_answers.parse(line)
            except agent_answers.BadAnswer:
                continue
            if isinstance(answer, dict) and answer.get("return") == number:
                return

    def _send(self, text: bytes, until: float) -> None:
        view = memoryview(text)
        while view:
            self._bound(until)
            try:
                view = view[self._wire.send(view) :]
            except TimeoutError as error:
                raise self._silence() from error
            except OSError as error:
                raise self._hung_up() from error

    def _line(self, until: float, leftover: int | None = None) -> bytes:
        """Return the next line; one longer than `leftover` is thrown away, and without that one beyond the limit is refused."""
        start = 0
        while (end := self._read.find(b"\n", start)) < 0:
            start = len(self._read)
            if leftover is not None and start > leftover:
                # What was in there of a delimiter goes with it; the number is said again.
                self._read.clear()
                start = 0
            if start > agent_answers.LONGEST:
                raise agent_answers.BadAnswer(f"the answer of the agent in the guest is longer than {agent_answers.LONGEST // 1024**2} MiB")
            self._bound(until)
            try:
                piece = self._wire.recv(_PIECE)
            except TimeoutError as error:
                raise self._silence() from error
            except OSError as error:
                raise self._hung_up() from error
            if not piece:
                raise self._hung_up()
            self._read += piece
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    def _bound(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise self._silence()
        self._wire.settimeout(left)

    def _silence(self) -> Silent:
        return Silent("the agent in the guest does not answer; the guest may still be booting, or have no agent")

    def _hung_up(self) -> Off:
        return Off("the VM went off during the conversation with its agent")


@contextmanager
def talk(endpoint: Endpoint, *, patience: float) -> Iterator[Channel]:
    """Hold a conversation: queue for the socket, connect, and agree on a beginning, all of it within `patience` seconds."""
    until = time.monotonic() + patience
    with _turn(endpoint.path, until):
        wire = _connect(endpoint.path, until)
        try:
            channel = Channel(endpoint, wire)
            if endpoint.port is not None:
                channel.enter(endpoint.port, until)
            channel.greet(until)
            yield channel
        finally:
            wire.close()


def _connect(path: Path, until: float) -> socket.socket:
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        wire.settimeout(max(until - time.monotonic(), _POLL))
        with own_sockets.held(path) as place:
            wire.connect(place)
    except OSError as error:
        wire.close()
        if error.errno in _OFF:
            raise Off("nobody is at the agent's socket; the VM does not run") from error
        if error.errno == errno.EACCES:
            raise Permanent(f"`{path}` may not be opened by this user; the VM belongs to somebody else") from error
        raise Silent(f"`{path}` cannot be connected to ({error.strerror or 'it takes no more clients'})") from error
    return wire


@contextmanager
def _turn(path: Path, until: float) -> Iterator[None]:
    """Wait for our turn at a socket; the kernel gives it to the next when we die."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _OFF:
            raise Off("the VM has no sockets; it does not run") from error
        raise Permanent(f"`{path.parent}` may not be written to by this user; the VM belongs to somebody else") from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Silent("another command talks to the agent of this guest and does not end") from None
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def _request(command: str, arguments: Mapping[str, Json] | None) -> bytes:
    message: dict[str, Json] = {"execute": command}
    if arguments:
        message["arguments"] = dict(arguments)
    return json.dumps(message).encode() + b"\n"
