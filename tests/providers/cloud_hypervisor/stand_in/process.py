"""The process: its command line, its socket, and one loop in which requests run strictly one after another."""

import argparse
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from typing import Any

from calls import Vmm
from event_log import EventLog, ProgramLog
from guest import Clock
from misbehavior import Misbehavior

_MOST = 10
_LARGEST = 51_200
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    404: "Not Found",
    429: "Too Many Requests",
    409: "Conflict",
    500: "Internal Server Error",
}


def main(arguments: list[str]) -> int:
    """Run until somebody ends it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="cloud-hypervisor", allow_abbrev=False)
    for name in ("--api-socket", "--log-file", "--event-monitor", "--seccomp"):
        parser.add_argument(name)
    parser.add_argument("-v", action="count")
    parser.add_argument("--no-shutdown", action="store_true")
    parser.add_argument("--version", "-V", action="store_true")
    parser.add_argument("--stand-in", action="append", default=[])
    given = parser.parse_args(arguments)
    misbehavior = Misbehavior(given.stand_in)
    if given.version:
        print(f"cloud-hypervisor v{misbehavior.version}")
        return 0
    os.umask(0o077)
    misbehavior.begin()
    log = ProgramLog(given.log_file)
    events = EventLog(_path(given.event_monitor))
    events.add("vmm", "starting")
    listener = _listen(_path(given.api_socket), int(misbehavior.version.split(".")[0]))
    if listener is None:
        return 1
    clock = Clock(time.monotonic)
    vmm = Vmm(events, log, clock, misbehavior.version)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: vmm.end_by_signal())
    Server(listener, vmm, clock, misbehavior).run(stay=given.no_shutdown)
    os.unlink(_path(given.api_socket))
    return 0


def _path(word: str | None) -> str:
    return (word or "").removeprefix("path=")


def _listen(path: str, major: int) -> socket.socket | None:
    """Take the socket: since release 53 a lock beside it tells a dead one from a live one."""
    if major >= 53:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f'Error: API socket "{path}" is already in use by another running instance\n')
            return None
        if os.path.exists(path):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
    except OSError as error:
        sys.stderr.write(f"Error: Error creation API server's socket: {os.strerror(error.errno or errno.EIO)}\n")
        return None
    listener.listen(64)
    return listener


class Server:
    """HTTP as far as this API needs it."""

    def __init__(self, listener: socket.socket, vmm: Vmm, clock: Clock, misbehavior: Misbehavior) -> None:
        self._listener, self._vmm, self._clock, self._misbehavior = listener, vmm, clock, misbehavior
        self._selector = selectors.DefaultSelector()
        self._read: dict[socket.socket, bytes] = {}

    def run(self, *, stay: bool) -> None:
        del stay  # the program ends with its guest in either case here; the flag is for guests that switch themselves off
        self._selector.register(self._listener, selectors.EVENT_READ)
        # A signal alone does not end a wait: Python begins it again.
        woken, waker = socket.socketpair()
        for end in (woken, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        self._selector.register(woken, selectors.EVENT_READ)
        while not self._vmm.over:
            for key, _ in self._selector.select(self._clock.wait()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is woken:
                    woken.recv(64)
                else:
                    self._receive(key.fileobj)
            self._clock.run()

    def _accept(self) -> None:
        wire, _ = self._listener.accept()
        if len(self._read) >= _MOST:
            body = b'{ "error": "Too many open connections" }'
            head = f"HTTP/1.1 503 \r\nServer: API\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
            wire.sendall(head.encode() + body)
            wire.close()
            return
        self._read[wire] = b""
        self._selector.register(wire, selectors.EVENT_READ)

    def _receive(self, wire: Any) -> None:
        try:
            piece = wire.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            self._drop(wire)
            return
        self._read[wire] += piece
        head, end, rest = self._read[wire].partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode(errors="replace").split("\r\n")
        method, path, _ = [*lines[0].split(" "), "", ""][:3]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(fields.get("content-length", "0"))
        if length > _LARGEST and self._vmm.major < 54:
            self._send(wire, 400, '{"error": "Request payload with size too large\nAll previous requests will be dropped." }')
            self._drop(wire)
            return
        if len(rest) < length:
            return
        self._read[wire] = b""
        self._answer(wire, method, path, rest[:length])

    def _answer(self, wire: socket.socket, method: str, path: str, body: bytes) -> None:
        call = path.removeprefix("/api/v1/")
        self._misbehavior.delay(call)
        garbage, failure = self._misbehavior.garbage(call), self._misbehavior.failure(call)
        if garbage is not None:
            wire.sendall(garbage)
            self._drop(wire)
            return
        status, found = (500, failure) if failure else self._vmm.answer(method, call, body)
        self._send(wire, status, None if found is None else json.dumps(found))

    def _send(self, wire: socket.socket, status: int, body: str | None) -> None:
        text = "" if body is None else body
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n"
        if status != 204:
            head += f"Content-Type: application/json\r\nContent-Length: {len(text.encode())}\r\n"
        try:
            wire.sendall(f"{head}\r\n{text}".encode())
        except OSError:
            self._drop(wire)

    def _drop(self, wire: socket.socket) -> None:
        if wire in self._read:
            del self._read[wire]
            self._selector.unregister(wire)
            wire.close()
