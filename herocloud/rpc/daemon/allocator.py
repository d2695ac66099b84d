"""How memory is handed out to a process that stays and has a hundred threads; the defaults are for one that ends, or has few.

Of what a thread frees, glibc keeps up to a quarter of a megabyte for this thread alone. With a hundred threads, each of which does this
now and that later, the daemon would grow by ten megabytes over hours. Only a variable changes that, and only when a
program begins. So the daemon begins once more in its own process, and takes the variable away from what it starts itself.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence

_TUNABLES = "GLIBC_TUNABLES"
_NOTHING_FOR_A_THREAD = "glibc.malloc.tcache_count=0"
_BEGUN = "_HEROCLOUD_BEGUN"
"""Says that it has begun once more: a program with privileges of its own is not given the other variable."""
_ARENA_MAX = -8
"""glibc's name for the parameter of `mallopt`."""
_ARENAS = 2


def begin_again(words: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Begin once more with these words on the command line, unless that was done, or somebody has set tunables of their own."""
    if environment.pop(_BEGUN, None) is not None:
        environment.pop(_TUNABLES, None)
        return
    wanted = for_a_daemon(environment)
    if _BEGUN in wanted:
        program = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]
        os.execve(sys.executable, [sys.executable, *program, *words], wanted)  # noqa: S606  (ourselves)


def for_a_daemon(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which a daemon begins, and need not do so once more."""
    if _TUNABLES in environment or not _is_glibc():
        return dict(environment)
    return {**environment, _TUNABLES: _NOTHING_FOR_A_THREAD, _BEGUN: "1"}


def share_memory_of_threads() -> None:
    """Limit malloc to two arenas: with one for each of hundreds of threads, freed memory would not be reused by the others."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False
