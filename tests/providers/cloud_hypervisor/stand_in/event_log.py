"""The event file: pretty-printed objects, a blank line after each; times count from the start of the process. And the log, line by line.

Both are emptied at the start and written from there on, not at their ends: what is cut off meanwhile comes back as a hole.
"""

import json
import time
from typing import Any


class EventLog:
    """Appends to the file that was named on the command line, or to nothing."""

    def __init__(self, path: str | None) -> None:
        self._began = time.monotonic()
        self._stream = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115

    def add(self, source: str, event: str, properties: dict[str, Any] | None = None) -> None:
        if self._stream is None:
            return
        since = time.monotonic() - self._began
        body = {"timestamp": {"secs": int(since), "nanos": int(since % 1 * 1e9)}, "source": source, "event": event}
        self._stream.write(json.dumps({**body, "properties": properties}, indent=2) + "\n\n")
        self._stream.flush()


class ProgramLog:
    """Writes into the file that was named on the command line, or into nothing."""

    def __init__(self, path: str | None) -> None:
        self._began = time.monotonic()
        self._stream = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115

    def add(self, text: str) -> None:
        if self._stream is not None:
            self._stream.write(f"cloud-hypervisor: {time.monotonic() - self._began:>10.6f}s: <vmm> INFO:vmm/src/lib.rs -- {text}\n")
            self._stream.flush()
