"""A process in its cage has none of the keys that the kernel keeps for the session of who runs herocloud.

Such a key is open to whatever has its keyring, of any user: a process takes it along when it becomes somebody else.
"""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.providers.vmm import jail_command, users
from herocloud.providers.vmm.cages import Cage

_KEYCTL, _ADD_KEY = (250, 248) if os.uname().machine == "x86_64" else (219, 217)
_OF_A_VM = users.User(1879048200, 1879048200, 1879048192)
_PYTHON = "/usr/bin/python3"
_PASSWORD = "open sesame"  # noqa: S105  (it opens nothing)

_WITH_A_KEY = """
import ctypes, os, sys
number, add, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
library = ctypes.CDLL(None)
assert library.syscall(number, 1, None) > 0
assert library.syscall(add, b"user", b"of-the-caller", password, len(password), -3) > 0
os.execv(sys.argv[4], sys.argv[4:])
"""
_LOOK = """
import ctypes, sys
library, found = ctypes.CDLL(None), ctypes.create_string_buffer(64)
key = library.syscall(int(sys.argv[1]), 10, -3, b"user", b"of-the-caller", 0)
print(found.value.decode() if library.syscall(int(sys.argv[1]), 11, key, found, 64) > 0 else "nothing")
"""


def _has_keys() -> bool:
    """Ask which keyring this process has, which a kernel or a container without any refuses."""
    return bool(ctypes.CDLL(None).syscall(_KEYCTL, 0, -3, 0) > 0)


@pytest.mark.skipif(not _has_keys(), reason="needs keyrings of the kernel")
@pytest.mark.skipif(not Path(_PYTHON).exists(), reason="needs a Python that every user may start")
@pytest.mark.parametrize("user", [pytest.param(_OF_A_VM, marks=pytest.mark.root), users.caller(), None])
def test_the_keys_of_the_caller_are_not_there(tmp_path: Path, user: users.User | None) -> None:
    if user not in (None, users.caller()) and os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    orders = [("program", _PYTHON), *(("word", word) for word in (_PYTHON, "-I", "-S", "-c", _LOOK, str(_KEYCTL)))]
    orders += Cage(user).orders(grouped=True) if user else []
    place = tmp_path / "orders"
    place.write_text("".join(f"{name}\0{value}\0" for name, value in orders))
    place.chmod(0o600)
    words = [sys.executable, "-I", "-S", "-c", _WITH_A_KEY, str(_KEYCTL), str(_ADD_KEY), _PASSWORD]
    words += jail_command.words("run", os.fspath(place), "")
    ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.strip() == ("nothing" if user else _PASSWORD), ran.stderr
