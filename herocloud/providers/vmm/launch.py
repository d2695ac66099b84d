"""Starting a VMM so that it outlives the command that started it, and so that a crash at any instant leaves no unknown process.

A shell stands beside every VMM. It has the VM's lock (or ends, when somebody else does) and starts `jail`, which writes down who it is,
enters the cage and becomes the VMM: a VMM without a record cannot be, starting twice starts once, and a free lock proves that nobody is
there. The alternative, writing the record after the process was made, loses it to a kill between the two; the other one, `fork` in Python,
must not be done in a process with threads.

The shell stays, for less than a megabyte, because somebody has to notice that a VMM ends: it writes down how, and starts it again where
the VM asks for that. It reads the command again every time, since a machine that was changed while it ran has to come back as it was.

A companion in Python starts with its VMM, from one interpreter (`jail_pair`): to start one takes longer than everything else here. So one
interpreter does for all VMs of a command (`zygote`). There the keeper is a part of it, and becomes the shell only when the VMM ends.

Where systemd runs, all become a transient unit and are not ended with the session they were started from: each has to have an interpreter
of its own there. Elsewhere they get a session of their own and are given to the process that takes orphans.
"""

import os
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons, subprocesses
from herocloud.kits.jsons import Json
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.vmm import files, folders, identity, jail_command, keeper_shell, log_bounds, orders, standing_orders, zygote_link
from herocloud.providers.vmm.cages import Cage
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.users import User
from herocloud.providers.vmm.zygote_link import KeeperOrder

_APART = """\
cd / || exit
umask 077
@held@{
@script@} </dev/null >>"${@log@}" 2>&1 &
"""
"""A script where no systemd takes it over: the shell that is called divides, and ends. To start another one would take longer."""
_HELD = "exec 9<&0\nheld=1\n"
"""What a keeper begins with that is handed the lock as its standard input: a program that takes it would be one more for each VM."""
SHUTDOWN_UNIT = "herocloud-shutdown.service"
"""The unit that shuts guests down before the host goes down, where the daemon's units were installed: it is stopped before those of VMs."""
_SHOWN = 1200
_SHELL_TIME = 10.0
"""Seconds after which even a busy host has started a shell."""
_STEP = 0.005


class Launch(NamedTuple):
    """What is to be started."""

    record: Path
    command: Sequence[str]
    socket: Path
    restart: str
    """When it is started again: `no`, `on-failure` or `always`."""
    environment: Mapping[str, str]
    unit: str
    """The name of its unit, where systemd runs."""
    cage: Cage | None = None
    """What it may use of the host; a program that needs all that its user may has none."""
    listens: Path | None = None
    """A socket that it is handed as descriptor 3, for the user of the VM to connect to."""
    client: User | None = None
    """Who connects to that socket."""
    bounds_log: bool = False
    """Whether its serial log is kept small for it."""
    python: Path | None = None
    """The file of a companion that needs the standard library alone: `jail` runs it, with the command as its words."""
    says_signaled: tuple[str, str] | None = None
    """The log beside its record, and the words in it, by which a program that ends with 0 says that a signal ended it."""
    beside: "Launch | None" = None
    """A companion in Python that starts with it, from the same interpreter, and works for as long as it is kept."""
    launched: Mapping[str, Json] = {}
    """What the mark of its VM says of it, for when that is lost; nothing is started by this."""


def launch(
    what: Launch, *, patience: float = 15.0, meanwhile: Callable[[], None] = lambda: None, stopped: Callable[[], bool] = lambda: False
) -> Identity:
    """Start a process and return who it is, once it has said so itself. It is not kept until `keep` is called.

    What takes a moment and will be needed is done `meanwhile`.
    """
    log = _beside(what.record, "log")
    what.record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_free(what.record)
    _clear_away(what.record)
    keep(what.record, kept=False)
    if what.beside is not None and not identity.is_held(what.beside.record):
        _clear_away(what.beside.record)
        keep(what.beside.record, kept=True)
    prepare(what)
    _start(what, log)
    began = time.monotonic()
    meanwhile()
    while True:
        known = identity.read(what.record)
        if known is not None and identity.is_alive(known):
            return known
        if _beside(what.record, "ended").exists():
            raise Permanent(f"`{what.command[0]}` ended at once{said(log)}")
        waited = time.monotonic() - began
        if waited > patience or stopped():
            raise Temporary(f"`{what.command[0]}` has not started within {patience:g} s{said(log)}")
        if waited > _SHELL_TIME and not identity.is_held(what.record):
            raise Permanent(f"`{what.command[0]}` cannot be started{said(log)}")
        time.sleep(_STEP)


def require_free(record: Path) -> None:
    """Require that no process holds the lock: what belongs to one that runs must not be removed."""
    if identity.is_held(record):
        known = identity.read(record)
        who = f"process {known.pid}" if known is not None and identity.is_alive(known) else "a process that was started for this VM"
        end = f"`kill {known.pid}`" if known is not None else f"`fuser {_beside(record, 'lock')}` names it"
        raise Permanent(f"{who} still runs and holds `{_beside(record, 'lock')}`, so nothing is started beside it; end it first: {end}")


def _clear_away(record: Path) -> None:
    """Remove what a process left that is gone."""
    for name in ("log", "ended", "keeper", "left", log_bounds.RECORD):
        _beside(record, name).unlink(missing_ok=True)
    record.unlink(missing_ok=True)


def prepare(what: Launch) -> None:
    """Write down with what the process is started, and when it is started again; the shell beside it reads this whenever it starts it."""
    program = shutil.which(what.command[0]) or what.command[0]
    written = [("digest", jsons.digest(list(what.command))), ("socket", str(what.socket)), ("program", program)]
    if what.python is not None:
        written.append(("python", str(what.python)))
    written += [("word", word) for word in what.command]
    written += [("environment", f"{name}={value}") for name, value in what.environment.items()]
    if what.listens is not None:
        written.append(("listen", str(what.listens)))
    if what.client is not None and what.client.is_own:
        written.append(("listen-user", str(what.client.uid)))
    if what.cage is not None:
        written += what.cage.orders(grouped=has_systemd(), joined=orders.groups(what.record))
    if what.launched:
        written.append((orders.LAUNCHED, jsons.dumps(what.launched)))
    if what.beside is not None:
        written += _orders_beside(what.record, what.beside)
        prepare(what.beside)
    beside = {} if what.says_signaled is None else {"signals": " ".join(what.says_signaled) + "\n"}
    if what.bounds_log:
        beside[log_bounds.FLAG] = f"{files.LOG_LIMIT} {log_bounds.SECONDS}\n"
    standing_orders.write(what.record, written, what.restart, beside)


def _orders_beside(record: Path, beside: Launch) -> Iterator[tuple[str, str]]:
    """Yield the orders for a companion that `jail` starts together with a VMM."""
    yield "pair", str(jail_command.PAIR)
    yield "beside", str(folders.orders_path(beside.record))
    yield "beside", str(beside.record.absolute())
    yield from (("beside-keeper", word) for word in keeper_shell.words("herocloud-beside", beside.record, record))
    yield from (("beside-environment", f"{name}={value}") for name, value in beside.environment.items())


def adopt(what: Launch) -> None:
    """Put a shell beside a process that has lost its own; where one stands, the new one ends at once."""
    _start(what, _beside(what.record, "log"), _keeper_of(what, "herocloud-adopter"), f"{what.unit}-adopter")


def start_shell(record: Path, words: Sequence[str], environment: Mapping[str, str], unit: str) -> None:
    """Start a shell beside a process; what it says is not kept."""
    _start(Launch(record, words, Path(), "", environment, unit), Path(os.devnull), words)


def keep(record: Path, *, kept: bool) -> None:
    """Let a process be started again when it ends, or let it end for good."""
    path = _beside(record, "stop")
    if kept:
        path.unlink(missing_ok=True)
    else:
        # Who looks meanwhile learns that somebody is at work on it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(identity.describe_self())


def is_kept(record: Path) -> bool:
    """Return whether a process is started again when it ends, in as far as its VM asks for it."""
    return not _beside(record, "stop").exists()


def keeper_of(record: Path) -> Identity | None:
    """Return who the shell beside a process is, or was."""
    return identity.read(_beside(record, "keeper"))


def is_being_ended(record: Path) -> bool:
    """Return whether the process that said so is still there: then what is not kept is just being started or stopped."""
    known = identity.read(_beside(record, "stop"))
    return known is not None and identity.is_alive(known)


def has_keeper(record: Path) -> bool:
    """Return whether the shell beside a process lives, which starts it again."""
    keeper = keeper_of(record)
    return keeper is not None and identity.is_alive(keeper)


def dismiss(record: Path, patience: float = 10.0) -> None:
    """End the shell beside a process that is dead, and wait until nobody holds the lock."""
    keeper = keeper_of(record)
    until = time.monotonic() + patience
    while identity.is_held(record) or (keeper is not None and identity.is_alive(keeper)):
        if keeper is not None:
            identity.send(keeper, signal.SIGTERM)
            # One that a signal has stopped hears nothing else.
            identity.send(keeper, signal.SIGCONT)
        if time.monotonic() > until:
            raise Temporary(f"`{_beside(record, 'lock')}` is still held by a process that was started for this VM")
        time.sleep(_STEP)
    bounding = identity.read(_beside(record, log_bounds.RECORD))
    if bounding is not None:
        identity.send(bounding, signal.SIGTERM)
        identity.wait_for_death(bounding, patience)


def said(log: Path) -> str:
    """Return the last words of a process, for a message."""
    try:
        text = log.read_text(errors="replace").strip()[-_SHOWN:]
    except OSError:
        return ""
    return f": {text}" if text else ""


def has_systemd() -> bool:
    """Return whether systemd runs this host, or this user's session."""
    bus = f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/systemd/private"
    return os.path.isdir("/run/systemd/system") and (os.geteuid() == 0 or os.path.exists(bus))  # noqa: PTH110, PTH112  (per start)


def _keeper_of(what: Launch, name: str = "herocloud-keeper") -> list[str]:
    return keeper_shell.words(name, what.record, None if what.beside is None else what.beside.record)


def _start(what: Launch, log: Path, become: Sequence[str] = (), unit: str = "") -> None:
    if has_systemd():
        # systemd opens it as it is, and would make one that everybody may read.
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        try:
            subprocesses.run(_as_unit(what, become or _keeper_of(what), log, unit or what.unit), timeout=_SHELL_TIME)
        except CommandError as error:
            if "already" in error.stderr:
                # The unit of the process before this one is dead, and not yet forgotten.
                raise Temporary(f"systemd still has the unit `{unit or what.unit}`") from error
            raise Permanent(f"systemd did not take `{unit or what.unit}` as a unit: {error}") from error
    elif become:
        _start_apart(what, become, log)
    else:
        with identity.hold(what.record) as lock:
            # Where somebody has it, a process is there, or is just being started.
            if lock is None:
                return
            if what.beside is not None and what.beside.python is not None and not what.bounds_log:
                _divide(what, log, what.beside.record, what.beside.python, lock)
            else:
                _start_apart(what, _keeper_of(what), log, _HELD, lock)


def _divide(what: Launch, log: Path, other: Path, companion: Path, lock: int) -> None:
    record = what.record.absolute()
    orders_path = folders.orders_path(record)
    order = KeeperOrder(log.absolute(), record, orders_path, other.absolute(), companion, what.environment, _keeper_of(what))
    try:
        zygote_link.start_keeper(order, lock)
    except (CommandError, OSError) as error:
        raise Permanent(f"`{shlex.join(what.command[:1])}` cannot be started: {error}") from error


def _start_apart(what: Launch, become: Sequence[str], log: Path, held: str = "", stdin: str | int = "") -> None:
    # Nothing of the caller's goes along: a password in an environment variable would be readable in /proc for the life of the VM, and a
    # working directory would keep a file system busy.
    script = _APART.replace("@held@", held).replace("@log@", str(len(become) - 3)).replace("@script@", become[2])
    words = [*become[:2], script, *become[3:], str(log.absolute())]
    try:
        subprocesses.run(words, timeout=_SHELL_TIME, environment=what.environment, apart=True, stdin=stdin)
    except CommandError as error:
        raise Permanent(f"`{shlex.join(what.command[:1])}` cannot be started: {error}") from error


def _as_unit(what: Launch, become: Sequence[str], log: Path, unit: str) -> list[str]:
    words = ["systemd-run", *([] if os.geteuid() == 0 else ["--user"]), "--quiet", "--collect", f"--unit={unit}"]
    # Else the script below would be it, as it is: a `daemon-reload` reads its lines as lines of the unit, and loses the limits behind them.
    words += [f"--description=herocloud: {unit}"]
    words += ["--slice=herocloud.slice", "--service-type=exec", "--property=OOMPolicy=continue", f"--property=Before={SHUTDOWN_UNIT}"]
    words += ["--working-directory=/", f"--property=StandardOutput=append:{log}", f"--property=StandardError=append:{log}"]
    if what.cage is not None:
        words += [f"--property={name}={value}" for name, value in what.cage.unit_properties()]
    words += [f"--setenv={name}={value}" for name, value in what.environment.items()]
    return [*words, "--", *become]


def _beside(record: Path, name: str) -> Path:
    return record.with_name(f"{record.name}.{name}")
