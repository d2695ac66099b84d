"""The program of the tiny guest that listens on vsock: its machine code runs here, on a socket of another family."""

import platform
import socket
import struct
import subprocess
import threading
import time

import pytest

from herocloud.providers.images.builds import vsock_listener

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86-64 processor")

ECHO = '#!/bin/sh\nwhile read -r line; do echo "$$ $line"; done\n'


@pytest.fixture
def listener(tmp_path):
    """Return the socket of a running listener."""
    handler, program, place = tmp_path / "handler", tmp_path / "listener", tmp_path / "socket"
    handler.write_text(ECHO)
    handler.chmod(0o755)
    address = struct.pack("<H", socket.AF_UNIX) + str(place).encode() + b"\0"
    program.write_bytes(vsock_listener.put_together(str(handler), socket.AF_UNIX, address))
    program.chmod(0o755)
    process = subprocess.Popen([str(program)], stdin=subprocess.DEVNULL)
    yield process, place
    process.kill()
    process.wait(timeout=10)


def visit(place):
    until = time.monotonic() + 20
    while True:
        wire = socket.socket(socket.AF_UNIX)
        wire.settimeout(20)
        try:
            wire.connect(str(place))
        except OSError:
            wire.close()
            assert time.monotonic() < until, "nobody listens"
            threading.Event().wait(0.02)
        else:
            return wire, wire.makefile("rwb")


def say(stream, text: bytes) -> list[bytes]:
    stream.write(text + b"\n")
    stream.flush()
    return stream.readline().split()


def test_each_visitor_talks_to_a_handler_of_its_own(listener) -> None:
    _, place = listener
    (first, one), (second, two) = visit(place), visit(place)
    with first, second, one, two:
        told = [say(one, b"a"), say(two, b"b"), say(one, b"c")]
    assert [words[1] for words in told] == [b"a", b"b", b"c"]
    assert told[0][0] == told[2][0] != told[1][0]


def test_a_hundred_visitors_leave_no_processes_behind(listener) -> None:
    process, place = listener
    for number in range(100):
        wire, stream = visit(place)
        with wire, stream:
            assert say(stream, b"%d" % number)[1] == b"%d" % number
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, check=False).stdout.split()
    # What ended is buried when the next visitor comes, so a few of the last ones may still be there.
    assert len(children) < 10
    assert process.poll() is None


def test_a_port_that_is_taken_ends_it(listener) -> None:
    process, place = listener
    visit(place)[0].close()
    again = subprocess.run([process.args[0]], check=False, timeout=10)
    assert again.returncode == 1


def test_in_a_guest_it_listens_on_the_port_of_the_agent() -> None:
    program = vsock_listener.build("/lib/herocloud/visit")
    assert program.endswith(struct.pack("<HHIII", 40, 0, 1024, 0xFFFFFFFF, 0) + b"/lib/herocloud/visit\0")
    assert len(program) < 512
    for mark in (0x11111111, 0x22222222, 0x33333333, 0x44444444, 0x55555555):
        assert struct.pack("<I", mark) not in program
