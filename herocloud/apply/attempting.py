"""One step while it runs: its deadline, its tries, and what its provider may ask or tell meanwhile."""

from collections.abc import Callable
from typing import Any, NamedTuple

from herocloud.apply.clocks import Clock
from herocloud.model.steps import Step
from herocloud.providers.seam import Driver, Work

PROGRESS_EVERY = 0.1
"""Seconds between two tidings of one step; a provider may report every block that it copies."""


class Progress(NamedTuple):
    """A tiding of a step that runs."""

    attempt: "Attempt"
    text: str
    share: float | None


class Attempt:
    """A running step. Worker threads use `stopped` and `progress` only; everything else is the coordinator's."""

    __slots__ = ("_clock", "_put", "_said", "deadline", "driver", "due", "failures", "heard", "started", "step", "stopped", "work")

    def __init__(self, step: Step, driver: Driver, timeout: float, clock: Clock, put: Callable[[Any], None]) -> None:
        """Begin now; tidings go to `put`."""
        self.step = step
        self.driver = driver
        self.work: Work | None = None
        self.started = clock.elapsed()
        self.deadline = self.started + timeout
        self.heard = self.started
        """When anything was last told about it."""
        self.failures = 0
        self.due: float | None = None
        """When it is to be tried again; nothing while a worker has it."""
        self.stopped = False
        self._clock = clock
        self._put = put
        self._said = 0.0

    def is_stopped(self) -> bool:
        """Tell a provider whether it should give up."""
        return self.stopped

    def progress(self, text: str, share: float | None) -> None:
        """Pass on a tiding of a provider."""
        now = self._clock.elapsed()
        if now - self._said >= PROGRESS_EVERY or share == 1.0:
            self._said = now
            self._put(Progress(self, text, share))
