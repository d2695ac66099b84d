"""A process in its cage gets to Unix sockets that have a path it may use, and to none of those that have no path."""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.providers.vmm import jail_command

_VERSION = ctypes.CDLL(None).syscall(444, None, 0, 1)
_KNOWS_SCOPES = 6

pytestmark = pytest.mark.skipif(_VERSION < _KNOWS_SCOPES, reason="needs Landlock with scopes (Linux 6.12)")

_SCRIPT = """
import socket, sys
for address in (sys.argv[1], chr(0) + sys.argv[1]):
    with socket.socket(socket.AF_UNIX) as wire:
        try:
            wire.connect(address)
            print("connected")
        except OSError as error:
            print(type(error).__name__)
"""


@pytest.mark.parametrize(("confined", "said"), [(True, "PermissionError"), (False, "connected")])
def test_a_socket_without_a_path_is_out_of_reach(tmp_path: Path, *, confined: bool, said: str) -> None:
    path = str(tmp_path / "socket")
    orders = [("program", sys.executable), *(("word", word) for word in (sys.executable, "-I", "-S", "-c", _SCRIPT, path))]
    orders += [("confined", "")] if confined else []
    place = tmp_path / "orders"
    place.write_text("".join(f"{name}\0{value}\0" for name, value in orders))
    place.chmod(0o600)
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as unnamed:
        for wire, address in ((named, path), (unnamed, f"\0{path}")):
            wire.bind(address)
            wire.listen()
        words = jail_command.words("run", os.fspath(place), "")
        ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.split() == ["connected", said], ran.stderr
