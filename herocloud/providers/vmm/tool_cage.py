"""A cage for a program that reads what a stranger made: an image that is checked, converted or unpacked.

Such a program needs one file to read and perhaps one to write. As root it runs as a user that nothing belongs to, sees these two files and
its own libraries, and can use so much memory, time and disk; elsewhere it runs as the caller, with the same limits and without a way to
get more rights.
"""

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.providers.vmm import cages, folders, jail_command, program_files, users
from herocloud.providers.vmm.cages import Cage
from herocloud.providers.vmm.users import User

_PIECE = 1024**2
_SHOWN = 4096


class Bounds(NamedTuple):
    """What a program may use."""

    memory: int
    """Bytes of address space."""
    seconds: int
    """Of a processor."""
    output: int
    """Bytes of the largest file that it writes."""


class Files(NamedTuple):
    """What a program sees beside itself and the host's own programs."""

    reads: Sequence[Path] = ()
    """Files that are given to its user to read for as long as it runs."""
    writes: Sequence[Path] = ()
    """Files that are there already and given to its user."""
    libraries: Sequence[Path] = ()
    """Folders that everybody may read."""


def run(command: Sequence[str], files: Files, bounds: Bounds, *, timeout: float) -> str:
    """Run a program to its end and return what it said; raises CommandError."""
    with _prepared(command, files, bounds) as words:
        try:
            return subprocesses.run(words, timeout=timeout).stdout
        except CommandError as error:
            raise CommandError(command, error.returncode, error.stdout, error.stderr) from error


def stream(command: Sequence[str], files: Files, bounds: Bounds) -> Iterator[bytes]:
    """Yield what a program writes to its standard output; raises CommandError when it fails."""
    with _prepared(command, files, bounds) as words:
        process = subprocesses.start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if process.stdout is None or process.stderr is None:
            raise AssertionError
        try:
            while piece := process.stdout.read(_PIECE):
                yield piece
            said = process.stderr.read(_SHOWN).decode(errors="replace")
            if process.wait() != 0:
                raise CommandError(command, process.returncode, "", said)
        finally:
            process.kill()
            process.stdout.close()
            process.stderr.close()
            process.wait()


@contextlib.contextmanager
def _prepared(command: Sequence[str], files: Files, bounds: Bounds) -> Iterator[list[str]]:
    """Give the files to the user of the program, and take them back."""
    user = _user()
    reads = [*program_files.needed_by(command[0]), *files.libraries, *(path.absolute() for path in files.reads)]
    cage = Cage(user, user.is_own, reads=tuple(dict.fromkeys(reads)), writes=tuple(path.absolute() for path in files.writes))
    orders = [("digest", ""), ("socket", ""), ("program", shutil.which(command[0]) or command[0]), ("environment", "LC_ALL=C")]
    orders += [("word", word) for word in command]
    orders += [("limit", f"AS={bounds.memory}"), ("limit", f"CPU={bounds.seconds}"), ("limit", f"FSIZE={bounds.output}")]
    orders += cage.orders(grouped=True)
    path = folders.make_orders_folder() / f"tool-{os.getpid()}-{random.randbytes(6).hex()}"  # noqa: S311  (no secret)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream_of_orders:
        stream_of_orders.write(os.fsencode("".join(f"{name}\0{value}\0" for name, value in orders)))
    try:
        with _lent(user, files):
            yield jail_command.words("run", str(path), "")
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _lent(user: User, files: Files) -> Iterator[None]:
    if not user.is_own:
        yield
        return
    before = [(path, path.stat()) for path in (*files.reads, *files.writes)]
    try:
        for path in files.reads:
            os.chown(path, -1, user.gid)
            path.chmod(0o640)
        for path in files.writes:
            os.chown(path, user.uid, user.gid)
        yield
    finally:
        for path, status in before:
            with contextlib.suppress(FileNotFoundError):
                os.chown(path, status.st_uid, status.st_gid)
                path.chmod(status.st_mode & 0o7777)


def _user() -> User:
    """Return a user that nothing belongs to; two programs at the same time hardly ever have the same."""
    numbers = users.usable_range()
    if numbers is None or not cages.can_mount():
        return users.caller()
    number = numbers.first + numbers.size - 1 - random.randrange(users.for_tools(numbers))  # noqa: S311  (no secret)
    return User(number, number, number)
