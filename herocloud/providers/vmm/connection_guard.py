"""The program beside a VMM that keeps its guest away from what listens on the host itself, where rules of the host cannot.

A network in user mode is made by the VMM, which connects to wherever its guest wants. Where VMs have users of their own, one rule of
nftables closes the host to all of them (`loopback`). An ordinary user may load no rules, and one for that user would hold for everything
else it does. So there the kernel asks this program whenever the VMM connects to an address or sends a datagram to one (a filter of system
calls, `SECCOMP_RET_USER_NOTIF`), and what the host would deliver to itself is refused: its loopback and every other address it has, but for
name servers, and for answers on published ports. Addresses beyond the host are not touched. A namespace with another program's network
would do as well, but needs that program on every host.

`jail` installs the filter, starts this program, writes down who it is and becomes the VMM. It ends with the VMM; when it is gone before,
nothing is connected any more, which a look sees: only another boot helps, since no other program can take its place. It holds for guests:
who got out of a VMM could change the address after it was looked at. One file with the standard library alone.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import sys
from collections.abc import Callable

_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277}
_CONNECT_AND_SEND = {"x86_64": (42, 44), "aarch64": (203, 206), "riscv64": (203, 206)}
_SET_FILTER, _IS_AVAILABLE, _NEW_LISTENER = 1, 2, 8
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_NO_NEW_PRIVILEGES, _SET_PTRACER, _SET_NAME = 38, 0x59616D61, 15
_RECEIVE, _SEND, _GO_ON = 0xC0502100, 0xC0182101, 1
_GET_DESCRIPTOR = 438
_LONGEST = 128
"""Bytes of an address, as the kernel takes them at most."""
_ROUTE_REQUEST, _ROUTE_ANSWER, _UNICAST = 26, 24, 1
_NAMES = 53
_LINK, _OF_LINK = 0xFE, 0x80
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def is_possible() -> bool:
    """Return whether this kernel asks a program before a system call; looks only."""
    number = _SECCOMP.get(os.uname().machine)
    if number is None or not hasattr(os, "pidfd_open"):
        return False
    action = ctypes.c_uint32(_ASK)
    return bool(_LIBRARY.syscall(number, _IS_AVAILABLE, 0, ctypes.byref(action)) == 0)


def begin(program: list[str]) -> int:
    """Have this process, and what it becomes, watched by a program that is started here, with the numbers of its two descriptors added.

    Returns which process that is.
    """
    _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    watched = os.pidfd_open(os.getpid())
    listener = _install()
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            _start([*program, str(listener), str(watched)], {0, 1, 2, listener, watched}, writing)
        finally:
            os._exit(127)
    os.close(writing)
    said = os.read(reading, 16)
    os.waitpid(between, 0)
    for number in (reading, listener, watched):
        os.close(number)
    if not said:
        raise OSError(errno.ECHILD, "the program that watches its connections cannot be started")
    # Some hosts let only parents look into a process. Where nobody asks for this, it is refused, and not needed.
    _LIBRARY.prctl(_SET_PTRACER, ctypes.c_ulong(int(said)), 0, 0, 0)
    return int(said)


def _start(words: list[str], kept: set[int], writing: int) -> None:
    """Start the program as nobody's child, and say who it is."""
    child = os.fork()
    if child:
        os.write(writing, str(child).encode())
        os._exit(0)
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208  (this starts for every VM and has to be small)
        if number not in kept:
            try:
                os.close(number)
            except OSError:
                continue
    for number in kept:
        os.set_inheritable(number, True)
    os.execve(words[0], words, {})  # noqa: S606


def _install() -> int:
    """Install the filter: the kernel asks about `connect`, and about `sendto` with an address."""
    connect, send = _CONNECT_AND_SEND[os.uname().machine]
    load, equals, leave = 0x20, 0x15, 0x06
    address = 16 + 4 * 8
    rows = [
        (load, 0, 0, 0),
        (equals, 6, 0, connect),
        (equals, 0, 4, send),
        (load, 0, 0, address),
        (equals, 0, 3, 0),
        (load, 0, 0, address + 4),
        (equals, 0, 1, 0),
        (leave, 0, 0, _ALLOW),
        (leave, 0, 0, _ASK),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *row) for row in rows))
    program = struct.pack("=H6xQ", len(rows), ctypes.addressof(code))
    return _call("syscall", _SECCOMP[os.uname().machine], _SET_FILTER, _NEW_LISTENER, program)


def main(words: list[str]) -> int:
    """Answer the kernel until the VMM is gone: PORTS LISTENER PROCESS."""
    ports = {int(port) for port in words[0].split(",") if port}
    listener, process = int(words[1]), int(words[2])
    _LIBRARY.prctl(_SET_NAME, b"connections", 0, 0, 0)
    connect, _ = _CONNECT_AND_SEND[os.uname().machine]
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(process, select.POLLIN)
    while process not in dict(poll.poll()):
        request = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, request)
        except OSError:
            # The thread that asked is gone already.
            continue
        number, thread, _, call, _, _, *given = struct.unpack("=QIIiIQ6Q", request)
        place, size = (given[1], given[2]) if call == connect else (given[4], given[5])
        try:
            address = _read(thread, place, min(size, _LONGEST))
            published = (lambda: False) if call == connect else lambda: _port_of(process, given[0]) in ports  # noqa: B023  (called at once)
            allowed = may_reach(address, sends=call != connect, published=published)
        except OSError:
            allowed = False
        answer = struct.pack("=QqiI", number, 0, 0, _GO_ON) if allowed else struct.pack("=QqiI", number, 0, -errno.ECONNREFUSED, 0)
        try:
            fcntl.ioctl(listener, _SEND, bytearray(answer))
        except OSError:
            continue
    return 0


def may_reach(address: bytes, *, sends: bool, published: Callable[[], bool] = lambda: False) -> bool:
    """Return whether a VMM may connect or send to a socket address; `published` tells whether it answers on a published port."""
    family = struct.unpack_from("=H", address)[0] if len(address) >= struct.calcsize("=H") else socket.AF_UNSPEC
    # A datagram without a family is sent as one of the internet.
    if family == socket.AF_INET or (family == socket.AF_UNSPEC and sends):
        port, target = struct.unpack_from(">H4s", address, 2)
    elif family == socket.AF_INET6:
        port, target = struct.unpack_from(">H4x16s", address, 2)
        if target.startswith(bytes(10) + b"\xff\xff"):
            target = target[12:]
    else:
        return True
    return not is_of_host(target) or (port == _NAMES and target in name_servers()) or published()


def is_of_host(target: bytes) -> bool:
    """Return whether the host would deliver to itself what is sent to an address; the kernel's own routes tell."""
    family = socket.AF_INET if len(target) == struct.calcsize("4s") else socket.AF_INET6
    # No address at all is the host's own; and whose one of a link is depends on the link.
    if target[0] == 0 if family == socket.AF_INET else (not any(target[:12]) or (target[0] == _LINK and target[1] & 0xC0 == _OF_LINK)):
        return True
    question = struct.pack("=BBBBBBBBI", family, 8 * len(target), 0, 0, 0, 0, 0, 0, 0) + struct.pack("=HH", 4 + len(target), 1) + target
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(question), _ROUTE_REQUEST, 1, 1, 0) + question)
        answer = kernel.recv(8192)
    if struct.unpack_from("=IH", answer)[1] != _ROUTE_ANSWER:
        # It leads nowhere, which the kernel says to the VMM as well.
        return False
    return answer[16 + 7] != _UNICAST


def name_servers() -> set[bytes]:
    """Return the addresses of the host's name servers, which may be on the host itself."""
    found = set()
    try:
        with open("/etc/resolv.conf", errors="replace") as lines:  # noqa: PTH123  (this starts for every VM and has to be small)
            for line in lines:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver":
                    name = words[1].partition("%")[0]
                    try:
                        found.add(socket.inet_pton(socket.AF_INET6 if ":" in name else socket.AF_INET, name))
                    except OSError:
                        continue
    except OSError:
        return found
    return found


def _port_of(process: int, number: int) -> int:
    """Return the local port of a socket of the VMM."""
    descriptor = _call("syscall", _GET_DESCRIPTOR, process, ctypes.c_int(number & 0xFFFFFFFF), 0)
    with socket.socket(fileno=descriptor) as wire:
        return int(wire.getsockname()[1])


def _read(thread: int, place: int, size: int) -> bytes:
    """Read the memory of the VMM."""
    content = ctypes.create_string_buffer(size)
    here = struct.pack("=QQ", ctypes.addressof(content), size)
    there = struct.pack("=QQ", place, size)
    done = _LIBRARY.process_vm_readv(thread, here, ctypes.c_ulong(1), there, ctypes.c_ulong(1), ctypes.c_ulong(0))
    if done != size:
        raise OSError(ctypes.get_errno(), "the address cannot be read")
    return content.raw


def _call(name: str, *words: object) -> int:
    done: int = getattr(_LIBRARY, name)(*words)
    if done < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "the connections of this VM cannot be watched")
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
