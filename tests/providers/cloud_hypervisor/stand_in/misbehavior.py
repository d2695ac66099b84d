"""How the program itself may misbehave, by `--stand-in WORD=VALUE` (repeatable), which a wrapper script on PATH adds.

`version=49.0`, `exit=3` (at once), `hang=vm.boot` (never answers this call, or `start`), `garbage=vm.info`, `fail=vm.boot:message`,
`slow=vm.boot:2.5`, `busy=vm.info:9` (works all that time), `die=vm.snapshot` (killed in the middle of this call).
"""

import os
import select
import signal
import sys
import time


class Misbehavior:
    """What was asked for on the command line."""

    def __init__(self, words: list[str]) -> None:
        self._words = dict(word.split("=", 1) for word in words)

    @property
    def version(self) -> str:
        return self._words.get("version", "53.0")

    def begin(self) -> None:
        if "exit" in self._words:
            sys.stderr.write("cloud-hypervisor: Error booting VM: exits as it was asked to\n")
            sys.exit(int(self._words["exit"]))
        if self._words.get("hang") == "start":
            _stand(3600)

    def delay(self, call: str) -> None:
        """Wait before a call, or for ever, or die in the middle of it."""
        if self._words.get("die") == call:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._words.get("hang") == call:
            _stand(3600)
        name, _, seconds = self._words.get("slow", "").partition(":")
        if name == call:
            _stand(float(seconds))
        name, _, seconds = self._words.get("busy", "").partition(":")
        until = time.monotonic() + float(seconds or 0)
        while name == call and time.monotonic() < until:
            pass

    def garbage(self, call: str) -> bytes | None:
        return b"HTTP/1.1 200 \r\nnot HTTP at all\0\r\n" if self._words.get("garbage") == call else None

    def failure(self, call: str) -> list[str] | None:
        name, _, message = self._words.get("fail", "").partition(":")
        return ["Error from API", *message.split("|")] if name == call else None


def _stand(seconds: float) -> None:
    select.select([], [], [], seconds)
