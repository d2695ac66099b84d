"""What holds of every daemon that we run, that of the host and those of networks: its program, how it is started and ended."""

import shutil
import signal
import time
from pathlib import Path

from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.mycelium import api
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.vmm import identity, launch, lost_keepers, supervision
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

PROGRAM = "mycelium"
RESTART = "always"
_KEEPER_PATIENCE = 2.0
_STEP = 0.02


def find_program(why: str) -> str:
    """Return where the program is; `why` says what needs it, and the way out."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise Permanent(f"the program `{PROGRAM}` is not on PATH, and {why}")
    return program


def version() -> str | None:
    """Return the version of the program on this host; nothing without one."""
    from herocloud.kits import subprocesses as programs

    program = shutil.which(PROGRAM)
    if program is None:
        return None
    try:
        return programs.run([program, "-V"], timeout=10).stdout.strip().rpartition(" ")[2]
    except programs.CommandError:
        return None


def start(what: Launch, ours: Identity | None) -> None:
    """Have a daemon run and be kept, unless `ours` runs already.

    A keeper without a daemon is at its end, or waits before it starts the next one: it is given a moment, and then replaced.
    """
    if ours is None:
        until = time.monotonic() + _KEEPER_PATIENCE
        while identity.is_held(what.record):
            known = identity.read(what.record)
            alive = known is not None and identity.is_alive(known)
            # One that was killed together with its keeper may still be dying, and nobody would start it again.
            if alive and (launch.has_keeper(what.record) or time.monotonic() > until):
                break
            if not alive and time.monotonic() > until:
                launch.dismiss(what.record)
            time.sleep(_STEP)
        else:
            launch.launch(what)
    launch.keep(what.record, kept=True)
    if ours is not None and supervision.flaw_of(what.record, what.restart):
        _give_back_keeper(what)


def _give_back_keeper(what: Launch) -> None:
    """Write the orders of a daemon that runs again, and put a shell beside it where its own is gone."""
    launch.prepare(what)
    if not launch.has_keeper(what.record) and not lost_keepers.recover(what.record) and identity.is_held(what.record):
        launch.adopt(what)
        until = time.monotonic() + _KEEPER_PATIENCE
        while not launch.has_keeper(what.record) and time.monotonic() < until:
            time.sleep(_STEP)
    keeper = launch.keeper_of(what.record)
    if keeper is not None:
        # One that a signal has stopped starts nothing again.
        identity.send(keeper, signal.SIGCONT)


def find_flaws_of_keeper(record: Path) -> dict[str, Json]:
    """Say how nobody would start a daemon that runs again as it is, when it ends; empty when somebody would."""
    flaw = supervision.flaw_of(record, RESTART)
    return {"keeper": flaw} if flaw else {}


def is_over(record: Path) -> bool:
    """Return whether a daemon whose process is not there has ended, or was killed together with its keeper; else it is still to come."""
    return record.with_name(f"{record.name}.ended").exists() or not launch.has_keeper(record)


def end(process: Identity) -> None:
    """End a daemon, with force where it does not end by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        identity.send(process, number)
        if identity.wait_for_death(process, 10.0):
            return
    raise Temporary(f"the overlay daemon (process {process.pid}) does not end", 2.0)


def has_other_key(port: int, public: PublicKey) -> bool:
    """Return whether a daemon runs with another key than this one: a file keeps its name when its content is replaced."""
    with api.Client(port) as client:
        try:
            return client.node().public_key != public
        except api.NotThere:
            # It has just been started, or is about to end.
            return False
