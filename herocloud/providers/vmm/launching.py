"""Starting a VMM so that it outlives the command that started it, and so that a crash at any instant leaves no unknown process.

A shell stands between us and the VMM for a millisecond. It takes the VM's lock (or ends, when somebody holds it), writes down who it is,
and becomes the VMM, which keeps number, start time and lock. So starting twice starts once, a VMM without a record cannot be, and a free
lock proves that nobody is there. The alternative, writing the record after the process was made, loses it to a kill between the two;
the other one, `fork` in Python, is no thing to do in a process with threads.

Where systemd runs, the VMM becomes a transient unit of its own and is not ended with the session it was started from. Elsewhere it gets a
session of its own and is given to whoever takes orphans.
"""

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import running
from herocloud.kits.running import CommandError
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.vmm import identity
from herocloud.providers.vmm.identity import Identity

_BECOME = """\
umask 077
exec 9>>"$1.lock" && flock -n 9 || exit 75
read -r boot </proc/sys/kernel/random/boot_id
read -r stat </proc/self/stat
printf '%s\\n' "$boot" "$2" "$3" "$stat" >"$1"
shift 3
exec "$@"
"""
"""Takes the record's path, the digest, the socket, and the command."""

_DETACH = """\
log=$1
shift
setsid "$@" </dev/null >>"$log" 2>&1 &
"""
_SHOWN = 1200
_SHELL_TIME = 10.0
"""Seconds after which even a busy host has started a shell."""
_STEP = 0.005


class Launch(NamedTuple):
    """What is to be started."""

    record: Path
    command: Sequence[str]
    digest: str
    socket: Path
    environment: Mapping[str, str]
    unit: str
    """The name of its unit, where systemd runs."""


def launch(what: Launch, *, patience: float = 15.0, stopped: Callable[[], bool] = lambda: False) -> Identity:
    """Start a process and return who it is, once it has said so itself. When one runs already, that one is returned."""
    log = what.record.with_name(what.record.name + ".log")
    what.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not identity.is_held(what.record):
        what.record.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        _start(what, log)
    began = time.monotonic()
    while True:
        known = identity.read(what.record)
        if known is not None and identity.is_alive(known):
            return known
        if known is not None and not identity.is_held(what.record):
            raise Permanent(f"`{what.command[0]}` ended at once{said(log)}")
        waited = time.monotonic() - began
        if waited > patience or stopped():
            raise Temporary(f"`{what.command[0]}` has not started within {patience:g} s{said(log)}")
        if waited > _SHELL_TIME and known is None and not identity.is_held(what.record):
            raise Permanent(f"`{what.command[0]}` cannot be started{said(log)}")
        time.sleep(_STEP)


def said(log: Path) -> str:
    """Return the last words of a process, for a message."""
    try:
        text = log.read_text(errors="replace").strip()[-_SHOWN:]
    except OSError:
        return ""
    return f": {text}" if text else ""


def has_systemd() -> bool:
    """Tell whether systemd runs this host, or this user's session."""
    return Path("/run/systemd/system").is_dir() and (os.geteuid() == 0 or _user_bus().exists())


def _start(what: Launch, log: Path) -> None:
    become = ["/bin/sh", "-c", _BECOME, "herocloud-vmm", str(what.record), what.digest, str(what.socket), *what.command]
    if has_systemd():
        try:
            running.run(_as_unit(what, become, log), timeout=_SHELL_TIME)
        except CommandError as error:
            raise Permanent(f"systemd did not take `{what.command[0]}` as a unit: {error}") from error
        return
    environment = {**os.environ, **what.environment}
    try:
        running.run(["/bin/sh", "-c", _DETACH, "herocloud-vmm", str(log), *become], timeout=_SHELL_TIME, environment=environment)
    except CommandError as error:
        raise Permanent(f"`{shlex.join(what.command[:1])}` cannot be started: {error}") from error


def _as_unit(what: Launch, become: Sequence[str], log: Path) -> list[str]:
    words = ["systemd-run", *([] if os.geteuid() == 0 else ["--user"]), "--quiet", "--collect", f"--unit={what.unit}"]
    words += ["--slice=herocloud.slice", "--service-type=exec", "--property=KillMode=mixed", "--property=OOMPolicy=continue"]
    words += [f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}"]
    words += [f"--setenv={name}={value}" for name, value in what.environment.items()]
    return [*words, "--", *become]


def _user_bus() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "systemd/private"
