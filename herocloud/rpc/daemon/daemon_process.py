"""The daemon as a process of this host: one for each data folder, in the foreground or detached, found again by its record.

The lock on a file of the data folder says whether one runs; the record beside it says which. A process is signalled only after its start
time and boot have shown that it is the one of the record.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from herocloud.kits import durable_files, plain_files
from herocloud.model.applies import Caller
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked, Refused
from herocloud.rpc.daemon import allocator
from herocloud.rpc.wire import tcp, unix_socket
from herocloud.rpc.wire.tcp import Tcp

LOCK = "daemon.lock"
RECORD = "daemon.json"
LOG = "daemon.log"
_MOST_BYTES = 64 * 1024
START_SECONDS = 30.0
STOP_SECONDS = 60.0
_PAUSE = 0.05


class Process(NamedTuple):
    """A daemon that runs."""

    pid: int
    start_time: int
    boot_id: str
    socket: str
    since: float
    version: str


def choose_socket(folder: Path, given: Path | None, environment: Mapping[str, str]) -> Path:
    """Return where the daemon of a data folder listens: as told, or below the runtime folder of this user.

    The usual data folder has the plain name that callers expect; every other one has a folder of its own, so that the daemons of two data
    folders never meet.
    """
    if given is not None:
        return given.absolute()
    from herocloud.operations import inputs
    from herocloud.providers.vmm import folders

    own = folders.runtime_root(folder, environment)
    usual = {name: value for name, value in environment.items() if name != "HEROCLOUD_DATA_DIR"}
    if folder == inputs.choose_folder(None, usual, root=os.geteuid() == 0):
        return own.parent / unix_socket.NAME
    return own / unix_socket.NAME


def find(folder: Path) -> Process | None:
    """Return the daemon of a data folder, if it lives."""
    from herocloud.state import holders

    try:
        process = Process(**json.loads(plain_files.read(folder / RECORD, _MOST_BYTES)))
    except (OSError, ValueError, TypeError):
        return None
    alive = process.boot_id == holders.read_boot_id() and holders.read_start_time(process.pid) == process.start_time
    return process if alive else None


@contextlib.contextmanager
def be_the_only_one(folder: Path) -> Iterator[Callable[[Path], None]]:
    """Be the daemon of a data folder while inside; raises Locked when another one is.

    What it yields records where this one listens, by which it is found.
    """
    import herocloud
    from herocloud.state import failures, holders

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Whatever the umask is: nobody else may say where a daemon listens, or keep one from starting.
    with os.fdopen(os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "w") as lock:
        os.fchmod(lock.fileno(), 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _runs_already(folder) from None

        def record(socket: Path) -> None:
            import logging

            pid = os.getpid()
            own = Process(pid, holders.read_start_time(pid) or 0, holders.read_boot_id(), str(socket), time.time(), herocloud.__version__)
            with failures.Guarded(folder / RECORD):
                durable_files.write_durably(folder / RECORD, json.dumps(own._asdict()).encode())
            logging.getLogger(__name__).info("listening at %s", socket)

        try:
            yield record
        finally:
            (folder / RECORD).unlink(missing_ok=True)


def detach(folder: Path, arguments: Sequence[str]) -> Process:
    """Start a daemon that outlives this command, and return it once it answers; raises Refused with its last words when it does not."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if find(folder) is not None:
        raise _runs_already(folder)
    with _open_log(folder) as log:
        began = log.tell()
        environment = allocator.for_a_daemon(os.environ)
        command = [sys.executable, "-m", "herocloud", *_words(folder, arguments)]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=environment
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        process = find(folder)
        if process is not None and process.pid == child.pid and is_answering(process):
            return process
        if child.poll() is not None:
            break
        time.sleep(_PAUSE)
    raise _did_not_start(folder, began)


def begin_again(folder: Path, arguments: Sequence[str], environment: MutableMapping[str, str]) -> None:
    """Begin once more in this process where that makes a better daemon of it, as `allocator` has it."""
    allocator.begin_again(_words(folder, arguments), environment)


def _words(folder: Path, arguments: Sequence[str]) -> list[str]:
    return ["--data-dir", str(folder), "daemon", "run", *arguments]


def stop(folder: Path) -> Process | None:
    """End the daemon of a data folder, and wait until it is gone; nothing when none runs."""
    process = find(folder)
    if process is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
        # One that was stopped hears nothing before it goes on.
        os.kill(process.pid, signal.SIGCONT)
    deadline = time.monotonic() + STOP_SECONDS
    while find(folder) is not None:
        if time.monotonic() > deadline:
            detail = f"Process {process.pid} was asked to end {STOP_SECONDS:.0f} s ago, and still runs."
            hint = "`herocloud daemon logs` shows what it does; `kill -9` harms nothing, its jobs are gone on with"
            raise Refused([Diagnostic("daemon-lives-on", "The daemon does not end", detail, hint=hint)])
        time.sleep(_PAUSE)
    return process


def last_lines(folder: Path, count: int) -> list[str]:
    """Return what a detached daemon wrote last."""
    from herocloud.providers.guests import logs

    try:
        return logs.last_lines(folder / LOG, count)
    except FileNotFoundError:
        detail = f"There is no `{folder / LOG}`: no detached daemon has run here."
        raise Refused([Diagnostic("no-log", "There is no log", detail, hint="of a unit of systemd: `journalctl -u herocloud`")]) from None


def _open_log(folder: Path) -> IO[bytes]:
    path = folder / LOG
    if path.exists() and path.stat().st_size > _MOST_LOG:
        path.replace(path.with_name(f"{LOG}.1"))
    opened = path.open("ab")
    path.chmod(0o600)
    return opened


_MOST_LOG = 8 * 1024 * 1024


def _runs_already(folder: Path) -> Locked:
    process = find(folder)
    detail = (
        f"Process {process.pid} serves `{folder}` at `{process.socket}`." if process else f"Another daemon is about to serve `{folder}`."
    )
    return Locked([Diagnostic("daemon-runs", "A daemon runs already", detail, hint="`herocloud daemon stop` ends it")])


def _did_not_start(folder: Path, began: int) -> Refused:
    with (folder / LOG).open("rb") as log:
        log.seek(began)
        said = log.read(4096).decode(errors="replace").strip()
    return Refused([Diagnostic("daemon-not-started", "The daemon did not start", said or f"It said nothing in {START_SECONDS:.0f} s.")])


def run(folder: Path, socket: Path, environment: Mapping[str, str], listener: Tcp | None = None) -> None:
    """Be the daemon until a signal ends it."""
    import logging

    from herocloud.rpc.daemon import service

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    with be_the_only_one(folder) as record:
        service.run(service.settings_for(folder, socket, listener), environment, record)


def is_answering(process: Process, seconds: float = 1.0) -> bool:
    """Return whether a daemon answers calls: it has opened its files by then, and whatever it listens at."""
    from herocloud.rpc.client import Client
    from herocloud.rpc.client.call_errors import ClientError

    with Client(process.socket, timeout=seconds) as client:
        try:
            client.rpc_health()
        except ClientError:
            return False
        return True


def ask_health(process: Process) -> dict[str, Any]:
    """Ask a daemon how it is; a daemon that does not answer is not ready."""
    from herocloud.rpc.client import Client
    from herocloud.rpc.client.call_errors import ClientError, ConnectionLost

    try:
        with Client(process.socket, timeout=10.0) as client:
            return dict(client.rpc_health())
    except ConnectionLost:
        return {"ready": False, "reasons": [say_silent(process)]}
    except ClientError as error:
        return {"ready": False, "reasons": [str(error)]}


def say_silent(process: Process) -> str:
    """Say that a daemon lives and does not answer, why where that shows, and what ends it."""
    from herocloud.state import holders

    what = f"the daemon, process {process.pid}, does not answer"
    if holders.is_stopped(process.pid):
        return f"{what}, because a signal has stopped it: `kill -CONT {process.pid}` lets it go on, `herocloud daemon stop` ends it"
    return f"{what}: `herocloud daemon logs` shows what it does, `herocloud daemon stop` ends it"


def has_taken(folder: Path, method: str, key: str) -> bool:
    """Return whether a daemon that runs no more took a call of this user with this idempotency key."""
    from herocloud.rpc.jobs import repetitions
    from herocloud.rpc.store import daemon_store

    return daemon_store.has_key(folder, repetitions.name_key(key, method))


def install(folder: Path, target: Path | None, environment: Mapping[str, str]) -> list[Path]:
    """Write the units of systemd, which bring VMs back from the next boot of the host on."""
    from herocloud.operations import host_boot, inputs
    from herocloud.rpc.daemon import units
    from herocloud.state import holders

    host_boot.expect(folder, holders.read_boot_id())
    socket = choose_socket(folder, None, environment)
    return units.write(folder, units.FOLDER if target is None else target, socket, inputs.read_daemon_settings(folder).group)


def bring_back(folder: Path, note: Callable[[str], None], caller: Caller) -> list[str]:
    """Start the VMs that should run after a reboot of the host, without a daemon; returns the stacks where that failed."""
    from herocloud.rpc.supervision import boot_run

    return boot_run.bring_back(folder, note, caller)


def shut_down(folder: Path, note: Callable[[str], None]) -> None:
    """Have all guests switch themselves off where the host goes down; else VMs run on."""
    from herocloud.operations import host_shutdown
    from herocloud.rpc.wire import systemd

    if not systemd.is_host_going_down():
        note("The host is not going down, so VMs run on.")
        return
    guests = host_shutdown.shut_down(folder, host_shutdown.SECONDS)
    for names, what in ((guests.off, "switched themselves off"), (guests.left, "did not, and lose their power with the host")):
        if names:
            note(f"Guests that {what}: {', '.join(names)}.")


def read_listener(listen: str | None, token_file: Path | None, certificate: Path | None, key: Path | None) -> Tcp | None:
    """Return the listener over TCP that flags ask for; what is wrong with it is said before anything starts."""
    if listen is None:
        return None
    found = tcp.parse(listen, token_file, certificate, key)
    tcp.read_token(found.token_file)
    return found
