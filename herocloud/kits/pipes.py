"""Reading a pipe that somebody named: for as long as somebody writes to it, and not for ever when nobody does.

A shell hands over what a program writes as the name of a pipe (`-f <(program)`), and that program may take long. A named pipe can be
left over from something else: opening one would wait for a writer that never comes.
"""

import errno
import os
import time

PATIENCE = 10.0
"""Seconds for somebody to begin to write to a named pipe."""
_STEP = 0.02
_CHUNK = 65536


class NobodyWrites(OSError):
    """No program has opened a named pipe to write to it."""


def read(descriptor: int, limit: int, patience: float = PATIENCE) -> bytes:
    """Return what is written to a pipe until it is closed, at most `limit` bytes; it was opened with O_NONBLOCK."""
    # A pipe without a name gets no writer that it does not have already.
    content, until = b"", time.monotonic() + (0 if _is_nameless(descriptor) else patience)
    began = False
    while len(content) < limit:
        try:
            chunk = os.read(descriptor, min(_CHUNK, limit - len(content)))
        except BlockingIOError:
            # Somebody has it open: what they write is waited for.
            os.set_blocking(descriptor, True)
            began = True
            continue
        if chunk:
            began, content = True, content + chunk
        elif began or time.monotonic() >= until:
            break
        else:
            time.sleep(_STEP)
    if not began and not _is_nameless(descriptor):
        raise NobodyWrites(errno.EAGAIN, f"it is a pipe, and nobody has written to it for {patience:g} s")
    return content


def _is_nameless(descriptor: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:")  # noqa: PTH115  (a path is made otherwise)
    except OSError:
        return False
