"""Jobs of a daemon that a command line has handed over: taken once, followed to their end, over restarts of the daemon.

A daemon may be killed at any moment, and what has become of the job is then known to its files: whether it took it, and how far it came.
So nothing is said here of a job that nobody has looked up.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herocloud.cli.silent_daemon import IMPATIENT
from herocloud.model import outcome_codec
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.outcomes import Event

if TYPE_CHECKING:
    from herocloud.rpc.client import Client
    from herocloud.rpc.client.call_errors import ClientError

GONE_SECONDS = 20.0
"""For how long a daemon that ended may take to come back."""
_PAUSE = 0.2
_PAGE = 1000


class Patience:
    """Waiting for a daemon that is gone to come back, for a time; for one that lives and does not answer, as long as it lives."""

    def __init__(self, interrupts: Any, folder: Path) -> None:
        """Begin with a daemon that answers."""
        self._interrupts = interrupts
        self._folder = folder
        self._gone: float | None = None

    def renew(self) -> None:
        """Note that the daemon answers."""
        self._gone = None

    def spend(self, error: "ClientError") -> None:
        """Wait a moment; raises Refused once it took too long."""
        from herocloud.rpc.daemon import daemon_process

        now = time.monotonic()
        silent = daemon_process.find(self._folder)
        self._gone = now if self._gone is None or silent is not None else self._gone
        if silent is not None and self._interrupts.requests >= IMPATIENT:
            raise _daemon_silent(daemon_process.say_silent(silent)) from error
        if now - self._gone > GONE_SECONDS or self._interrupts.requests >= IMPATIENT:
            raise _daemon_gone() from error
        time.sleep(_PAUSE)


def hand_over(client: "Client", method: str, params: Mapping[str, Any], folder: Path, patience: Patience) -> Mapping[str, Any] | None:
    """Hand a call to the daemon of a data folder, and return its job; nothing if no daemon took it. Raises the daemon's refusals."""
    import secrets

    from herocloud.rpc.client.call_errors import CallError, ConnectionLost, NoDaemon
    from herocloud.rpc.daemon import daemon_process

    key = secrets.token_hex(16)
    lost = False
    while True:
        try:
            job: Mapping[str, Any] = client.call(method, {**params, "idempotency_key": key})
        except (NoDaemon, ConnectionLost) as error:
            lost = lost or isinstance(error, ConnectionLost)
            # One that is dead takes nothing any more, and what it took is in its file.
            if not lost or (daemon_process.find(folder) is None and not daemon_process.has_taken(folder, method, key)):
                return None
            patience.spend(error)
        except CallError as error:
            if not lost or not _may_pass(error):
                raise
            patience.spend(error)
        else:
            patience.renew()
            return job


def follow(client: "Client", job: str, first: int, patience: Patience) -> Iterator[Event]:
    """Yield the events of the apply of a job, from a number on, until the job has ended."""
    from herocloud.rpc.client import wire
    from herocloud.rpc.client.call_errors import ClientError

    while True:
        try:
            for event in client.stream_events(first, reconnect=False):
                patience.renew()
                first = event["seq"] + 1
                if event["type"] == wire.FORGOTTEN:
                    break
                if event["job_id"] == job and event["type"] in wire.JOB_ENDS:
                    return
                yield from _told(event, job)
        except ClientError as error:
            patience.spend(error)
        # The daemon may have died between the end of the job and the event that tells of it.
        if look_up(client, job, patience)["ended_at"] is not None:
            yield from _rest(client, job, first)
            return
        time.sleep(_PAUSE)


def look_up(client: "Client", job: str, patience: Patience) -> Mapping[str, Any]:
    """Return a job as it is now, from whichever daemon answers."""
    from herocloud.rpc.client.call_errors import CallError, ClientError

    while True:
        try:
            found: Mapping[str, Any] = client.get_job(job)
        except ClientError as error:
            if isinstance(error, CallError) and not _may_pass(error):
                raise _job_lost(job) from error
            patience.spend(error)
        else:
            return found


def _rest(client: "Client", job: str, first: int) -> Iterator[Event]:
    """Yield what is in the log from a number on; without it the job still says how it ended."""
    from herocloud.rpc.client.call_errors import ClientError

    try:
        while (page := client.events(from_=first, limit=_PAGE))["events"]:
            for event in page["events"]:
                yield from _told(event, job)
            first = page["next"]
    except ClientError:
        return


def _told(event: Mapping[str, Any], job: str) -> Iterator[Event]:
    told = (event["data"] or {}).get("event") if event["job_id"] == job else None
    if told is not None:
        yield outcome_codec.decode_event(told)


def _may_pass(error: Any) -> bool:
    """Return whether a daemon that was just started, or that cannot read its files for a moment, may answer otherwise soon."""
    return error.code in (-32603, -32003)


def _daemon_gone() -> Refused:
    detail = "The daemon ended while it ran this. What it did is recorded, and the next daemon goes on with it."
    hint = "`herocloud daemon run --detach` starts one; `herocloud resume` finishes without"
    return Refused([Diagnostic("daemon-gone", "The daemon is gone", detail, hint=hint)])


def _daemon_silent(said: str) -> Refused:
    detail = f"This was handed over, and {said}. What it has done is recorded; what it still does, it does once it goes on."
    return Refused([Diagnostic("daemon-silent", "The daemon does not answer", detail, hint="`herocloud state log` shows how it ended")])


def _job_lost(job: str) -> Refused:
    detail = f"The daemon does not know its job `{job}` any more, so how it ended is not known here. What it did is recorded."
    hint = "`herocloud state log` shows it; `herocloud plan` shows what is left to do"
    return Refused([Diagnostic("job-lost", "The daemon has lost the job", detail, hint=hint)])
