"""Where the process of a VM keeps its own files, and where its sockets are.

What has to outlive the machine's power lies in the data folder beside the disks of the VM: its mark, the record of its process, its
serial log. Sockets lie in a folder that a reboot empties, under a short digest of the data folder, because a socket's path has at most
107 bytes and a data folder may lie as deep as its owner likes.
"""

import functools
import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.model.errors import Permanent, Temporary

OWN = "vmm"
"""The folder of what a VM's process keeps, in the VM's folder."""

LONGEST = 107
"""Bytes that `sun_path` holds, less the final zero."""

DIGEST = 10
"""Characters that name a data folder."""
_OF_ROOT = Path("/run/herocloud")
_PATIENCE = 20.0
"""Seconds after which one who holds a lock of the runtime folder is not waited for any longer."""
_alone_here = threading.Lock()
_TRIES = 100
"""Each one that is lost means that the last other VM of the data folder ended in that instant."""


@functools.lru_cache(maxsize=4096)
def machine_folder(data: Path, sid: str) -> Path:
    """Return the folder of what a VM's process keeps. It is asked for fifty times while a VM starts, and a path takes long to be made."""
    return data.joinpath("vms", sid, OWN)


def runtime_folder(data: Path, sid: str) -> Path:
    """Return the folder of the sockets of a VM."""
    return _below(runtime_root(data), sid)


def runtime_root(data: Path, environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder that holds the sockets of all VMs of a data folder.

    Two data folders on one host may both have a VM `v1`, so the data folder is part of the path.
    """
    return _below(base(environment), _digest_of(data.absolute()))


@functools.lru_cache(maxsize=64)
def _digest_of(data: Path) -> str:
    """Name a data folder: by where it really lies."""
    return hashlib.blake2b(os.fsencode(real(data)), digest_size=DIGEST // 2).hexdigest()


@functools.lru_cache(maxsize=64)
def real(data: Path) -> Path:
    """Return where a data folder really lies, which takes a while to find out, and is asked again and again for each VM."""
    return data.resolve()


@functools.lru_cache(maxsize=4096)
def _below(folder: Path, name: str) -> Path:
    return folder / name


def control_socket(data: Path, sid: str, name: str) -> Path:
    """Return the socket over which a VMM is controlled; each program has a name for its own."""
    return _checked(runtime_folder(data, sid) / name)


def agent_socket(data: Path, sid: str) -> Path:
    """Return the socket that leads to the agent in the guest."""
    return _checked(runtime_folder(data, sid) / "agent.sock")


def console_socket(data: Path, sid: str) -> Path:
    """Return the socket that leads to the serial console of the guest."""
    return _checked(runtime_folder(data, sid) / "serial.sock")


def serial_log(data: Path, sid: str) -> Path:
    """Return the file that keeps what the guest said on its serial console."""
    return machine_folder(data, sid) / "serial.log"


def make_runtime_folder(data: Path, sid: str) -> Path:
    """Make the folder of the sockets of a VM, for nobody but this user, and return it.

    Users of VMs pass through the folders above it, and see nothing there.
    """
    folder = runtime_folder(data, sid)
    passing = 0o711 if os.geteuid() == 0 else 0o700
    make_own(folder.parent.parent, 0o755)
    for _ in range(_TRIES):
        try:
            _own(folder.parent, passing)
            # It may belong to the VM's user already, who can do nothing to the folders above it.
            folder.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            # Another VM ended meanwhile, and took the folder above along because nothing was in it.
            continue
        except OSError as error:
            raise _cannot_make(folder, error) from error
        return folder
    raise Permanent(f"`{folder}` cannot be made: somebody keeps removing `{folder.parent}`; sockets of VMs lie there")


def remove_runtime_folder(data: Path, sid: str) -> None:
    """Remove the sockets of a VM, and the folders above them that hold nothing more."""
    # Loaded when it is needed: it brings lzma along, and most that ask for a folder remove none.
    import shutil

    folder = runtime_folder(data, sid)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        # Other VMs have theirs there, or it was never made.
        return


def orders_path(record: Path) -> Path:
    """Return where it is written down how the process of a record is started.

    What is executed is never read from the data folder, which may come from elsewhere; and emptying this folder takes away what a
    process would be started again with, and no process.
    """
    return _below(base() / "orders", _digest_of_record(record.absolute()))


@functools.lru_cache(maxsize=4096)
def _digest_of_record(record: Path) -> str:
    return hashlib.blake2b(os.fsencode(record), digest_size=8).hexdigest()


def make_orders_folder() -> Path:
    """Make the folder of orders, which nobody but this user may enter."""
    folder = base() / "orders"
    make_own(folder.parent, 0o755)
    make_own(folder, 0o700)
    return folder


@contextmanager
def alone_in(name: str, why: str, seconds: float = _PATIENCE) -> Iterator[Path]:
    """Be the only one who changes what lies in a folder that all data folders of this host share, and yield that folder."""
    folder = base() / name
    for one in (folder.parent, folder):
        make_own(one, 0o755 if one is folder.parent else 0o700)
    # Several threads of one process wait for each other without asking the kernel again and again.
    with _alone_here:
        descriptor = durable_files.wait_for_lock(folder / "lock", seconds, lambda: False)
        if descriptor is None:
            raise Temporary(f"`{folder / 'lock'}` is held by another process that {why}")
        try:
            yield folder
        finally:
            os.close(descriptor)


def make_own(folder: Path, mode: int) -> None:
    """Make a folder of this user; one that somebody else made is refused, since they could listen in, or say what is to be run."""
    try:
        _own(folder, mode)
    except OSError as error:
        raise _cannot_make(folder, error) from error


def _own(folder: Path, mode: int) -> None:
    status = _look_at(folder)
    if status is None or not stat.S_ISDIR(status.st_mode):
        # Not tried before: it is nearly always there, and a `mkdir` that says so takes longer than a look.
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        status = folder.lstat()
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != mode:
        folder.chmod(mode)
    if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
        raise Permanent(f"`{folder}` belongs to somebody else; sockets of VMs cannot lie there")


def _look_at(folder: Path) -> os.stat_result | None:
    try:
        return folder.lstat()
    except FileNotFoundError:
        return None


def _cannot_make(folder: Path, error: OSError) -> Permanent:
    in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
    way = "remove what is in its place" if in_the_way else f"let this user write to `{folder.parent}`"
    return Permanent(f"`{folder}` cannot be made ({error.strerror}); sockets of VMs lie there: {way}")


def base(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder for sockets of this user: the system's for root, the session's otherwise.

    A session without one (su, cron) gets a folder of its own name in the system's folder for temporary files.
    """
    if os.geteuid() == 0:
        return _OF_ROOT
    given = (os.environ if environment is None else environment).get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    if os.access(given, os.W_OK):
        return Path(given) / "herocloud"
    return Path(f"/tmp/herocloud-{os.geteuid()}")  # noqa: S108  (made and checked by `make_runtime_folder`)


def _checked(path: Path) -> Path:
    if len(os.fsencode(path)) > LONGEST:
        raise Permanent(f"the path of the socket `{path}` is longer than {LONGEST} bytes; set `XDG_RUNTIME_DIR` to a shorter folder")
    return path
