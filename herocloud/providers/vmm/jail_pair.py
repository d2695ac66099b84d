"""What `jail` does where something in Python works beside the program that it becomes: both come from the one interpreter that it is.

An interpreter takes longer to start than everything that a cage takes, and there would be two of them for each VM. The one that is there
divides: one half becomes the VMM, the other enters a cage of its own and works beside it. Neither is the other's child. The half beside
holds a lock and has written down who it is before the VMM begins; a shell stands by it from then on, and starts it again when it ends.
"""

import fcntl
import posix as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    # The real one takes longer to load than this file.
    from collections.abc import Callable

Orders = dict[str, list[str]]

_LOCK = 9
"""The descriptor of the lock, as a keeper hands it on."""
_LIFE = 8
"""The descriptor of a pipe between the half beside and its shell, in which nothing is said: it ends with that half."""


def divide(
    path: str, orders: Orders, kept: set[int], read: "Callable[[str], Orders]", note: "Callable[[str, Orders], None]"
) -> tuple[str, Orders, set[int]]:
    """Make the half beside, unless it is there; returns to each what it goes on with: its orders, and the descriptors that it keeps."""
    theirs, record = orders["beside"]
    noting = _fork(record, orders["beside-keeper"], orders["beside-environment"])
    if noting is None:
        return path, orders, kept
    own = read(theirs)
    note(record, own)
    os.close(noting)
    return theirs, own, {0, 1, 2, _LOCK, _LIFE}


def _fork(record: str, keeper: list[str], environment: list[str]) -> int | None:
    """Return nothing to who goes on, and to the half beside what to close once it has written down who it is."""
    lock = os.open(f"{record}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    noted, noting = os.pipe()
    between = os.fork()
    if between != 0:
        for number in (noting, lock):
            os.close(number)
        os.waitpid(between, 0)
        os.read(noted, 1)
        os.close(noted)
        return None
    try:
        os.setsid()
        log = os.open(f"{record}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        for number, place in ((log, 1), (log, 2), (lock, _LOCK)):
            os.dup2(number, place)
        ending, living = os.pipe()
        is_beside = os.fork() == 0
        os.dup2(living if is_beside else ending, _LIFE)
        if is_beside:
            return noting
        os.posix_spawn(keeper[0], keeper, dict(pair.split("=", 1) for pair in environment))
    except OSError as error:
        os.write(2, f"nothing works beside it: {error.strerror}\n".encode())
    os._exit(0)  # noqa: SLF001  (the name it has in `os` too)
