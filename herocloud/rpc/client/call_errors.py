"""What a call may raise in the client."""

from typing import Any


class ClientError(Exception):
    """The root of all of them."""


class NoDaemon(ClientError):
    """Nobody answers at the socket; nothing was sent."""


class ConnectionLost(ClientError):
    """The connection broke before the answer came; whether the call was received is unknown."""


class NoAnswer(ClientError):
    """What came back is not the answer of a daemon: something else listens there, or stands in between."""


class NotLetIn(ClientError):
    """The listener over TCP refuses this caller: its token, mostly."""


class CallError(ClientError):
    """The daemon answered with an error; `error_types` has one class for each code."""

    code = 0

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        """Keep all of it; the text is made of the diagnostics."""
        self.code = code
        self.message = message
        self.data = data
        super().__init__(_words(message, data))

    @property
    def ways(self) -> list[Any]:
        """Return the calls that lead out of it: `method`, `params`, and in `about` the VM that its `sid` is to name."""
        return _ways(self.data)


class JobFailed(ClientError):
    """A job that was waited for has failed; `job` is how it ended."""

    def __init__(self, job: Any) -> None:
        """Keep the job."""
        self.job = job
        error = job.get("error") or {}
        super().__init__(f"{job['method']} {job['job_id']}: {_words(error.get('message', job['status']), error.get('data'))}")

    @property
    def ways(self) -> list[Any]:
        """Return the calls that lead out of it, as those of a `CallError`."""
        return _ways((self.job.get("error") or {}).get("data"))


class JobCancelled(JobFailed):
    """A job that was waited for was cancelled."""


def _ways(data: Any) -> list[Any]:
    return list(data.get("ways") or ()) if isinstance(data, dict) else []


def _words(message: str, data: Any) -> str:
    found = data.get("diagnostics") if isinstance(data, dict) else None
    details = [f"{one.get('summary', '')}: {one.get('detail', '')}" for one in found or () if isinstance(one, dict)]
    return "; ".join(details) or message
