"""Processes that stand in for a VMM: small shells that do as a test needs, ended with the test whatever happens."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import identity, launch
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch


class Stand:
    """The place of one VM, and what was started there."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.sid = "v1"
        self.record = identity.record_path(data, self.sid)
        self.record.parent.mkdir(parents=True)

    def order(self, *command: str, restart: str = "no", **more: Any) -> Launch:
        environment = {identity.TOKEN: identity.token(self.data, self.sid)}
        return Launch(self.record, command, self.data / "qmp.sock", restart, environment, "herocloud-test", **more)

    def start(self, *command: str, restart: str = "no", **more: Any) -> Identity:
        return launch.launch(self.order(*command, restart=restart, **more))

    def beside(self, name: str) -> Path:
        return self.record.with_name(f"{self.record.name}.{name}")

    def clean(self) -> None:
        for path in (self.record, self.beside("keeper")):
            known = identity.read(path)
            if known is not None:
                self.beside("stop").touch()
                identity.send(known, signal.SIGKILL)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    # Units of the host's own systemd are no place for the processes of a test.
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    place = Stand(tmp_path)
    yield place
    place.clean()


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    def wait(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        until, pause = time.monotonic() + seconds, threading.Event()
        while not (found := condition()):
            assert time.monotonic() < until, "it did not come true"
            pause.wait(0.01)
        return found

    return wait


@pytest.fixture
def python() -> Callable[[Sequence[str]], subprocess.CompletedProcess[str]]:
    def run(*lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
        import os

        words = [sys.executable, "-c", "\n".join(lines)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False)

    return run
