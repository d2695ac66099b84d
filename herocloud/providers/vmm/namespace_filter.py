"""A filter of system calls that keeps a process in its cage from making a user namespace.

A process that makes one has every capability in it, and gets to parts of the kernel that are closed to others: most ways out of a process
in the last years began there. So `jail` installs this before it becomes a VMM, a program that reads what strangers made, or what works for
one of them. QEMU and Cloud Hypervisor have filters of their own, which do not hold before these are up.

`clone3` has its flags in memory, where no filter looks: it is said not to exist, and the C libraries go on with `clone`.
"""

import ctypes
import errno
import functools
import os
import struct
from collections.abc import Iterator

_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}
_CLONE_AND_UNSHARE = {"x86_64": (56, 272), "aarch64": (220, 97), "riscv64": (220, 97)}
_CLONE3, _OTHER_CALLS = 435, 0x40000000
"""The second: from there on are the calls of x32, another way to name the same ones."""
_NEW_USERS = 0x10000000
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_IS_AVAILABLE = 2
_LOAD, _EQUALS, _AT_LEAST, _HAS, _LEAVE = 0x20, 0x15, 0x35, 0x45, 0x06


@functools.cache
def is_possible() -> bool:
    """Return whether this kernel takes such filters; looks only."""
    number = _SECCOMP.get(os.uname().machine)
    if number is None:
        return False
    action = ctypes.c_uint32(_REFUSE)
    return bool(ctypes.CDLL(None).syscall(number, _IS_AVAILABLE, 0, ctypes.byref(action)) == 0)


def orders() -> Iterator[tuple[str, str]]:
    """Yield what `jail` needs to install it: the number of the call that does so, and the program."""
    if is_possible():
        yield "filter", str(_SECCOMP[os.uname().machine])
        yield "filter", _program(os.uname().machine).hex()


def _program(machine: str) -> bytes:
    clone, unshare = _CLONE_AND_UNSHARE[machine]
    rows = [
        (_LOAD, 0, 0, 4),
        (_EQUALS, 0, 9, _ARCHITECTURE[machine]),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 7, 0, _OTHER_CALLS),
        (_EQUALS, 6, 0, _CLONE3),
        (_EQUALS, 1, 0, clone),
        (_EQUALS, 0, 2, unshare),
        (_LOAD, 0, 0, 16),
        (_HAS, 1, 0, _NEW_USERS),
        (_LEAVE, 0, 0, _ALLOW),
        (_LEAVE, 0, 0, _REFUSE | errno.EPERM),
        (_LEAVE, 0, 0, _REFUSE | errno.ENOSYS),
    ]
    return b"".join(struct.pack("=HBBI", *row) for row in rows)
