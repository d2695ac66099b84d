"""What both clients share: requests as bytes, answers as values, and where the socket is."""

import itertools
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from herocloud.rpc.client import error_types
from herocloud.rpc.client.call_errors import CallError, JobCancelled, JobFailed

SYSTEM_SOCKET = Path("/run/herocloud/rpc.sock")
RETRIES = 3
"""How often a call is sent again after its connection broke, where the daemon knows it again."""
WAIT_SECONDS = 30.0
"""How long one `wait_job` waits; the client asks again."""

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
    answer = json.loads(body)
    if "error" in answer:
        error = answer["error"]
        kind = error_types.BY_CODE.get(error["code"], CallError)
        raise kind(error["code"], error["message"], error.get("data"))
    return answer["result"]


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


class FrameReader:
    """Takes server-sent events out of pieces of text."""

    def __init__(self) -> None:
        """Start between two events."""
        self._rest = b""

    def feed(self, piece: bytes) -> list[Any]:
        """Return the events that this piece completes."""
        *frames, self._rest = (self._rest + piece).split(b"\n\n")
        found = []
        for frame in frames:
            data = b"\n".join(line[6:] for line in frame.split(b"\n") if line.startswith(b"data: "))
            if data:
                found.append(json.loads(data))
        return found
