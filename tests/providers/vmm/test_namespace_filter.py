"""A process in its cage makes no user namespace, in which it would have every capability, and otherwise works as any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.providers.vmm import jail_command, namespace_filter, users
from herocloud.providers.vmm.cages import Cage

pytestmark = pytest.mark.skipif(not namespace_filter.is_possible(), reason="needs filters of system calls")

_SCRIPT = """
import ctypes, errno, os, subprocess, sys, threading
library = ctypes.CDLL(None, use_errno=True)
NEW_USERS, CHILD_DIED = 0x10000000, 17
clone, unshare = {"x86_64": (56, 272), "aarch64": (220, 97), "riscv64": (220, 97)}[os.uname().machine]

def say(name, done):
    if name != "unshare" and done == 0:
        os._exit(0)
    print(name, "done" if done >= 0 else errno.errorcode[ctypes.get_errno()])

say("clone", library.syscall(clone, NEW_USERS | CHILD_DIED, 0, 0, 0, 0))
say("clone3", library.syscall(435, NEW_USERS.to_bytes(8, sys.byteorder) + bytes(56), 64))
say("unshare", library.syscall(unshare, NEW_USERS))
threading.Thread(target=print, args=("thread", "done")).start()
print("program", subprocess.run(["true"]).returncode)
"""


@pytest.mark.parametrize("confined", [True, False])
def test_a_user_namespace_cannot_be_made(tmp_path: Path, *, confined: bool) -> None:
    orders = [("program", sys.executable), *(("word", word) for word in (sys.executable, "-I", "-S", "-c", _SCRIPT))]
    orders.append(("environment", f"PATH={os.defpath}"))
    orders += Cage(users.caller()).orders(grouped=True) if confined else []
    place = tmp_path / "orders"
    place.write_text("".join(f"{name}\0{value}\0" for name, value in orders))
    place.chmod(0o600)
    words = jail_command.words("run", os.fspath(place), "")
    ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    said = dict(line.split() for line in ran.stdout.splitlines())
    assert (said.pop("thread"), said.pop("program")) == ("done", "0"), ran.stderr
    if confined:
        assert said == {"clone": "EPERM", "clone3": "ENOSYS", "unshare": "EPERM"}
    elif said["unshare"] != "done":
        pytest.skip("nobody may make a user namespace here")
    else:
        assert said == {"clone": "done", "clone3": "done", "unshare": "done"}
