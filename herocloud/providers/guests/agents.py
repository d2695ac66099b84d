"""What an agent is asked for besides programs: whether it is there, what it can, and to shut its guest down.

A guest is ready when its agent says a number back; what the hypervisor thinks of the VM says nothing about that.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from herocloud.providers.guests import agent_answers, channels
from herocloud.providers.guests.agent_answers import Info
from herocloud.providers.guests.channels import Channel, Endpoint, Off, Silent

PATIENCE = 10.0
"""Seconds that an agent has for an answer; one under emulation on a busy machine takes one or two."""
_PAUSE = 0.1
_ASIDE = 5.0
"""Seconds after which a waiting caller lets others have a turn."""


class Agent:
    """The agent of one guest. Holds nothing open between two questions, so that others get their turn."""

    def __init__(self, endpoint: Endpoint, *, patience: float = PATIENCE) -> None:
        """Connect to nothing yet."""
        self._endpoint = endpoint
        self.patience = patience

    @contextmanager
    def talk(self, patience: float | None = None) -> Iterator[Channel]:
        """Hold a conversation of several questions."""
        with channels.talk(self._endpoint, patience=self.patience if patience is None else patience) as channel:
            yield channel

    def ping(self) -> None:
        """Return when the agent answers; raises Silent or Off when it does not."""
        with self.talk() as channel:
            channel.ask("guest-ping", timeout=self.patience)

    def info(self) -> Info:
        """Ask what the agent can."""
        with self.talk() as channel:
            return read_info(channel, self.patience)

    def shutdown(self, mode: str = "powerdown") -> None:
        """Ask the guest to shut itself down; `mode` is `powerdown`, `halt` or `reboot`. Returns before it has."""
        with self.talk() as channel:
            channel.tell("guest-shutdown", {"mode": mode}, timeout=self.patience)
            try:
                # An agent answers nothing when it works, and at once when it cannot.
                channel.ask("guest-ping", timeout=min(self.patience, 2.0))
            except (Silent, Off):
                return

    def wait(self, seconds: float, *, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the agent answers; tells whether it does. A VM that is off, or reboots meanwhile, is waited for as well."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            try:
                with self.talk(max(0.2, min(left, _ASIDE))):
                    return True
            except (Silent, Off):
                if time.monotonic() >= until or stopped():
                    return False
                time.sleep(_PAUSE)


def read_info(channel: Channel, timeout: float) -> Info:
    """Ask what the agent at the other end can."""
    return agent_answers.read_info(channel.ask("guest-info", timeout=timeout))
