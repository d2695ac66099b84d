"""What both clients share: requests as bytes, answers as values, and where the socket is."""

import itertools
import json
import os
import secrets
import select
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from herocloud.rpc.client import error_types
from herocloud.rpc.client.call_errors import CallError, JobCancelled, JobFailed, NoAnswer, NotLetIn

SYSTEM_SOCKET = Path("/run/herocloud/rpc.sock")
PAUSES = (0.2, 0.4, 0.8, 1.6, 0.0)
"""In seconds: so often a call is sent after its connection broke, where the daemon knows it again, with these pauses behind each try."""
WAIT_SECONDS = 30.0
"""How long one `wait_job` waits; the client asks again."""
JOB_ENDS = ("job_done", "job_failed", "job_cancelled")
FORGOTTEN = "events_forgotten"
"""The event that says that others, which were asked for, are not in the log any more."""
NEWEST = 10**15
"""A number that no event has."""

_numbers = itertools.count(1)


def default_socket(environment: Mapping[str, str] | None = None) -> Path:
    """Return where this user's daemon listens: HEROCLOUD_SOCKET, below XDG_RUNTIME_DIR, or the system's."""
    given = os.environ if environment is None else environment
    if given.get("HEROCLOUD_SOCKET"):
        return Path(given["HEROCLOUD_SOCKET"])
    runtime = given.get("XDG_RUNTIME_DIR")
    if os.geteuid() != 0 and runtime and os.path.isabs(runtime):  # noqa: PTH117  (a text needs no Path for that)
        return Path(runtime) / "herocloud" / "rpc.sock"
    return SYSTEM_SOCKET


def write_request(method: str, params: Mapping[str, Any]) -> bytes:
    """Return a call as bytes; what was not given is left to the daemon."""
    given = {name: value for name, value in params.items() if value is not None}
    return json.dumps({"jsonrpc": "2.0", "id": next(_numbers), "method": method, "params": given}).encode()


def read_answer(body: bytes) -> Any:
    """Return the result of a call, or raise its error."""
    try:
        answer = json.loads(body)
    except ValueError as broken:
        raise NoAnswer(f"the answer cannot be read as JSON: {body[:80].decode(errors='replace')!r}") from broken
    if not isinstance(answer, dict):
        raise NoAnswer(f"this does not answer a call of JSON-RPC: {body[:80].decode(errors='replace')!r}")
    if "jsonrpc" not in answer:
        raise NotLetIn("; ".join(found["detail"] for found in answer.get("diagnostics", ())) or f"{body[:80].decode(errors='replace')}")
    if "error" in answer:
        error = answer["error"]
        kind = error_types.BY_CODE.get(error["code"], CallError)
        raise kind(error["code"], error["message"], error.get("data"))
    return answer["result"]


def is_closed(descriptor: int) -> bool:
    """Return whether a connection that nobody waits at was closed by the daemon: then nothing is sent over it any more.

    What was sent must not be sent again, as nobody knows whether it was read; a daemon closes only connections that are idle.
    """
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(0))


def with_key(params: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return the parameters with an idempotency key where the method takes one, and whether the call may be sent again."""
    if "idempotency_key" not in params:
        return params, False
    return {**params, "idempotency_key": params["idempotency_key"] or secrets.token_hex(16)}, True


def require_done(job: Any) -> Any:
    """Return a job that has ended well; raise for one that has not."""
    if job["status"] == "cancelled":
        raise JobCancelled(job)
    if job["status"] == "failed":
        raise JobFailed(job)
    return job


def has_ended(job: Any) -> bool:
    """Return whether a job goes on no more."""
    return job["ended_at"] is not None


def secret_header(secret: str) -> dict[str, str]:
    """Return the header that asks a stream for the events behind a secret too."""
    return {"x-hero-secret": secret} if secret else {}


class FrameReader:
    """Takes server-sent events out of pieces of text."""

    def __init__(self, last: int | None = None) -> None:
        """Start between two events, behind the one with a number, or with the next event of all."""
        self._rest = b""
        self.last = last
        """The number of the newest event that a stream has told of, which need not be one that is shown."""

    def begin(self) -> str:
        """Start a stream; returns the path that goes on behind the last event."""
        self._rest = b""
        return "/events" if self.last is None else f"/events?from={self.last + 1}"

    def feed(self, piece: bytes) -> list[Any]:
        """Return the events that this piece completes."""
        *frames, self._rest = (self._rest + piece).split(b"\n\n")
        found = []
        for frame in frames:
            lines = frame.split(b"\n")
            self.last = next((int(line[4:]) for line in lines if line.startswith(b"id: ")), self.last)
            data = b"\n".join(line[6:] for line in lines if line.startswith(b"data: "))
            if data:
                found.append(json.loads(data))
        return found
