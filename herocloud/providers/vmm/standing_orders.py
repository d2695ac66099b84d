"""What a keeper goes by when it starts a process again: written down here, and compared by every look.

A keeper reads it from files whenever it needs it: the orders in the runtime folder, and beside the record the policy, the words by which a
log says that a signal ended the process, and how large the serial log may get. Who changes one of them decides what runs after the next
end, or that nothing does, and nothing of that shows in the process that runs. So the file of the policy has a second line, which no keeper
reads: the seal, a digest of all the others as they were written.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from herocloud.kits import plain_files
from herocloud.model import powers
from herocloud.providers.vmm import folders

_POLICY = "restart"
_BESIDE = ("signals", "bounds")
"""What is sealed beside the orders, by the ends of their names."""
NEVER = "no"
RECORD = "record"
"""The order that says where the record of the process is, for who looks after orders that nobody needs any more."""
_MOST_BYTES = 4 * 1024**2


def write(record: Path, orders: Iterable[tuple[str, str]], policy: str, beside: Mapping[str, str]) -> None:
    """Write down with what the process of a record is started, and when it is started again; what is not in `beside` goes."""
    folders.make_orders_folder()
    content = os.fsencode("".join(f"{name}\0{value}\0" for name, value in ((RECORD, str(record.absolute())), *orders)))
    _write(folders.orders_path(record), content)
    for name in _BESIDE:
        if name in beside:
            _write(_file(record, name), beside[name].encode())
        else:
            _file(record, name).unlink(missing_ok=True)
    sealed = _seal([content, *(beside[name].encode() if name in beside else None for name in _BESIDE)])
    _write(_file(record, _POLICY), f"{policy}\n{sealed}\n".encode())


def flaw(record: Path, policy: str) -> str:
    """Say what is wrong with what a keeper would go by; nothing when it is as it was written, and `policy` is when it starts again."""
    said, seal = _read_policy(record)
    if said != policy:
        return powers.KEEPER_LEAVES if said in (NEVER, "") else powers.KEEPER_ELSE
    if policy == NEVER:
        # Whatever else it says, nobody asks it.
        return ""
    orders = _read_own(folders.orders_path(record))
    if orders is None:
        return powers.KEEPER_WITHOUT_ORDERS
    return "" if _seal([orders, *(_read(_file(record, name)) for name in _BESIDE)]) == seal else powers.KEEPER_OTHER_ORDERS


def seal(path: Path) -> None:
    """Seal a file that is gone by when a process is started again, as it is now."""
    _write(path.with_name(f".{path.name}.seal"), _seal([_read(path)]).encode())


def is_sealed(path: Path) -> bool:
    """Return whether a file is as it was when it was sealed."""
    return (_read(path.with_name(f".{path.name}.seal")) or b"").decode(errors="replace") == _seal([_read(path)])


def _read_policy(record: Path) -> tuple[str, str]:
    lines = (_read(_file(record, _POLICY)) or b"").decode(errors="replace").splitlines()
    policy, seal = [*lines, "", ""][:2]
    return policy, seal


def _seal(contents: list[bytes | None]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for content in contents:
        digest.update(b"-" if content is None else b"%d:%b" % (len(content), content))
    return digest.hexdigest()


def _read_own(path: Path) -> bytes | None:
    """Read orders as `jail` does, which takes none that somebody else may have written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        is_own = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
        return stream.read() if is_own else None


def _read(path: Path) -> bytes | None:
    """Read a file beside a record; a pipe in its place is not waited for."""
    try:
        return plain_files.read(path, _MOST_BYTES)
    except OSError:
        return None


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.new")
    try:
        descriptor = _make(draft)
    except FileExistsError:
        # A write that was cut off left it.
        draft.unlink(missing_ok=True)
        descriptor = _make(draft)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    draft.replace(path)


def _make(draft: Path) -> int:
    """Make a file by this process or not at all: a name that somebody put there beforehand is not followed."""
    return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _file(record: Path, name: str) -> Path:
    return record.with_name(f"{record.name}.{name}")
