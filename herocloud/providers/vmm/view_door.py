"""The program that changes what a VMM that runs sees: a volume that is plugged in is seen from then on.

`view_door.py show PID PATH WAY` puts a file of the host into its view, and `view_door.py hide PID PATH` takes it out. Like `jail`, which
made that view, it is one file with little of the standard library.
"""

import ctypes
import os
import sys

_NEW_MOUNTS = 0x00020000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _NO_EXEC, _DETACH = 1, 2, 4, 8, 2
_OPEN_TREE, _MOVE_MOUNT, _SET_ATTRIBUTES = 428, 429, 442
_HERE, _CLONE, _CLOSE_ON_EXEC, _EMPTY_PATH, _FROM_EMPTY = -100, 1, 0o2000000, 0x1000, 4
_SYSTEM_CALLS = ctypes.CDLL(None, use_errno=True)


def main(words: list[str]) -> int:
    """Do what the command line says."""
    try:
        if words[0] == "show":
            show(int(words[1]), words[2], read_only=words[3] == "ro")
        else:
            hide(int(words[1]), words[2])
    except OSError as error:
        sys.stderr.write(f"{error.filename or 'the view'}: {error.strerror}\n")
        return 126
    return 0


def show(process: int, path: str, *, read_only: bool) -> None:
    """Show a running VMM one more file, at the place where the host has it."""
    tree = _call("syscall", _OPEN_TREE, _HERE, os.fsencode(path), _CLONE | _CLOSE_ON_EXEC)
    flags = _NO_SUID | _NO_DEVICES | _NO_EXEC | (_READ_ONLY if read_only else 0)
    attributes = (ctypes.c_uint64 * 4)(flags, 0, 0, 0)
    _call("syscall", _SET_ATTRIBUTES, tree, b"", _EMPTY_PATH, attributes, ctypes.c_size_t(32), quietly=True)
    wanted = os.fstat(tree)
    _enter_view_of(process)
    try:
        there = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        there = None
    if there is not None and (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
        return
    if there is not None:
        _call("umount2", os.fsencode(path), _DETACH, quietly=True)
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644))
    _call("syscall", _MOVE_MOUNT, tree, b"", _HERE, os.fsencode(path), _FROM_EMPTY)


def hide(process: int, path: str) -> None:
    """Take a file out of the view of a VMM that runs."""
    _enter_view_of(process)
    _call("umount2", os.fsencode(path), _DETACH, quietly=True)
    try:
        os.unlink(path)  # noqa: PTH108
    except FileNotFoundError:
        return


def _enter_view_of(process: int) -> None:
    view = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    _call("setns", view, _NEW_MOUNTS)
    os.umask(0o022)


def _call(name: str, *words: object, quietly: bool = False) -> int:
    done: int = getattr(_SYSTEM_CALLS, name)(*words)
    if done < 0 and not quietly:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
