"""Asking the kernel by netlink, without a library, and what this process may do there."""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from herocloud.model.errors import Temporary

_ATTRIBUTE = struct.Struct("=HH")
_HEADER = struct.Struct("=IHHII")
_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10
"""NLM_F_DUMP_INTR: something changed while the kernel was telling, so the answer may be neither before nor after."""
_ATTEMPTS = 20
_PLAIN = 0x3FFF
"""An attribute's kind without the two flags above it."""
_NET_ADMIN = 12
"""The number of CAP_NET_ADMIN among the capabilities."""


def has_admin() -> bool:
    """Return whether this process may change interfaces and rules."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> _NET_ADMIN & 1)


def dump(kind: int, body: bytes, protocol: int = socket.NETLINK_ROUTE) -> list[bytes]:
    """Ask the kernel for everything of a kind; one message each."""
    for _ in range(_ATTEMPTS):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as kernel:
            kernel.bind((0, 0))
            # NLM_F_REQUEST | NLM_F_DUMP.
            kernel.send(_HEADER.pack(_HEADER.size + len(body), kind, 0x301, 1, 0) + body)
            messages = _receive(kernel)
        if messages is not None:
            return messages
    raise Temporary("the interfaces of this host change faster than they can be read")


def change(messages: Sequence[tuple[int, int, bytes]]) -> list[OSError | None]:
    """Have the kernel work through messages (kind, flags, body) in one call; returns what it refused, in their order.

    It goes on after one that it refuses, and is done with all of them when the call returns: a process that is killed was killed before
    or after.
    """
    batch = b""
    for number, (kind, flags, body) in enumerate(messages, 1):
        # NLM_F_REQUEST | NLM_F_ACK.
        message = _HEADER.pack(_HEADER.size + len(body), kind, flags | 0x5, number, 0) + body
        batch += message + bytes(-len(message) % 4)
    answers: dict[int, OSError | None] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        kernel.send(batch)
        while len(answers) < len(messages):
            data = kernel.recv(1 << 16)
            at = 0
            while at < len(data):
                length, kind, _, number, _ = _HEADER.unpack_from(data, at)
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", data, at + _HEADER.size)[0]
                    answers[number] = OSError(code, os.strerror(code)) if code else None
                at += (length + 3) & ~3
    return [answers[number] for number in range(1, len(messages) + 1)]


def _receive(kernel: socket.socket) -> list[bytes] | None:
    """Collect the messages of one dump; nothing when it was interrupted."""
    messages: list[bytes] = []
    interrupted = False
    while True:
        data = kernel.recv(1 << 20)
        at = 0
        while at < len(data):
            length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + length]
            at += (length + 3) & ~3
            interrupted = interrupted or bool(flags & _INTERRUPTED)
            if kind == _DONE:
                return None if interrupted else messages
            if kind == _ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, os.strerror(number))
            messages.append(body)


def attributes(body: bytes, at: int, wanted: frozenset[int]) -> dict[int, bytes]:
    """Take the wanted attributes out of a message. An interface has a hundred, and of a thousand interfaces each costs as much."""
    found: dict[int, bytes] = {}
    end = len(body) - 3
    unpack = _ATTRIBUTE.unpack_from
    while at < end:
        length, kind = unpack(body, at)
        if length < 4:
            break
        kind &= _PLAIN
        if kind in wanted:
            found[kind] = body[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def listed(body: bytes) -> Iterator[bytes]:
    """Yield the attributes of a list, which all bear the same number."""
    at = 0
    while at < len(body) - 3:
        length, _ = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            return
        yield body[at + 4 : at + length]
        at += (length + 3) & ~3
