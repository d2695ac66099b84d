"""Memory that this process has and does not use."""

import contextlib
import ctypes


def give_back() -> None:
    """Give the host what lies unused between the pieces that are in use: malloc gives back by itself only what lies behind the last one."""
    # Other libraries than glibc have no such call.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
