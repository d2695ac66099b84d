"""The unix socket of the daemon: bound by us, with its mode and group, and taken over only from a dead owner.

uvicorn would change the mode of a socket that it binds to 0666, and a daemon that is root must not offer that.
"""

import contextlib
import errno
import grp
import os
import socket
import stat
from pathlib import Path

from herocloud.kits import path_trust
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked, Refused

NAME = "rpc.sock"
"""What it is called in the runtime folder."""
MODE = 0o660
LONGEST_PATH = 107
"""What `sockaddr_un` holds without its closing zero."""

_BACKLOG = 512


def bind(path: Path, group: str | None = None) -> socket.socket:
    """Listen at a path; raises Locked when another process does, Refused when something else stands there."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        detail = f"`{path}` has {len(os.fsencode(path))} bytes, and the path of a socket has at most {LONGEST_PATH}."
        raise Refused([Diagnostic("socket-path-too-long", "The path of the socket is too long", detail, hint="choose a shorter folder")])
    _make_folder(path.parent)
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mask keeps the socket from being open to anybody in the moment between bind and chmod.
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _in_use(path) from error
            raise
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, _group_id(group))
        path.chmod(MODE)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _make_folder(folder: Path) -> None:
    """Make the folder of the socket; raises Refused where others may put a socket of their own in the place of ours."""
    # Whatever the umask is: the folders above are made here too.
    before = os.umask(0o022)
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    finally:
        os.umask(before)
    for flaw in path_trust.find_flaws(folder):
        detail = f"{flaw.text[0].upper()}{flaw.text[1:]}, and could listen at `{folder}` in the daemon's place: callers send it secrets."
        hint = "choose a folder that belongs to this user or root, and where nobody else may write"
        raise Refused([Diagnostic("socket-folder-untrusted", "Others may put a socket in the place of ours", detail, hint=hint)])


def is_answered(path: Path) -> bool:
    """Return whether a process listens at a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            # A full backlog or a missing right: somebody is there.
            return True
        return True


def remove(path: Path, identity: tuple[int, int]) -> None:
    """Remove our socket, unless another daemon has put its own there meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if identify(path) == identity:
            path.unlink()


def identify(path: Path) -> tuple[int, int]:
    """Return what tells this socket from any other at the same path."""
    status = path.stat(follow_symlinks=False)
    return status.st_dev, status.st_ino


def _clear_stale(path: Path) -> None:
    try:
        mode = path.stat(follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        detail = f"`{path}` is not a socket, so it is not ours to replace."
        raise Refused([Diagnostic("socket-path-taken", "Something else stands where the socket belongs", detail, hint="move it away")])
    if is_answered(path):
        raise _in_use(path)
    path.unlink(missing_ok=True)


def _in_use(path: Path) -> Locked:
    detail = f"Another process answers at `{path}`."
    return Locked([Diagnostic("daemon-runs", "A daemon runs already", detail, hint="`herocloud daemon status` shows it")])


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        detail = f"`daemon: {{group: {name}}}` in host.yaml names a group that does not exist on this host."
        raise Refused([Diagnostic("unknown-group", "No such group", detail, hint=f"`groupadd --system {name}` makes it")]) from None
