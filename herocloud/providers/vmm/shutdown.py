"""Ending a VMM: from the gentlest way to the surest, each with its time, each one told.

Power button, then a bounded wait, then the hypervisor's own way to cut the power, then SIGTERM, then SIGKILL. A guest that listens loses
nothing; one that does not listen cannot hold up an apply for ever. A caller in a hurry starts further down the ladder.
"""

import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from herocloud.kits.sizes import show_duration
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.vmm import identity
from herocloud.providers.vmm.identity import Identity

Told = Callable[[str, float | None], None]


class Patience(NamedTuple):
    """How long each rung may take, in seconds; together they stay below the time that a step has."""

    button: float = 60.0
    """A guest that writes its data back under emulation may need most of this."""
    again: float = 3.0
    """How long until the button is pressed once more: a guest that is still booting does not hear it."""
    off: float = 10.0
    term: float = 10.0
    kill: float = 10.0

    def for_guest(self, seconds: float | None) -> "Patience":
        """Return this with as long for the guest as somebody asked for."""
        return self if seconds is None else self._replace(button=seconds)


class Ways(NamedTuple):
    """What a hypervisor offers; each returns at once, and may fail silently because the next rung follows."""

    press_button: Callable[[], None] | None
    """Nothing when no guest runs that could hear it."""
    cut_power: Callable[[], None] | None
    """Nothing when the VMM does not answer."""


def end(
    process: Identity,
    ways: Ways,
    patience: Patience = Patience(),  # noqa: B008  (a named tuple never changes)
    *,
    told: Told = lambda _text, _share: None,
    stopped: Callable[[], bool] = lambda: False,
) -> str:
    """Walk down the ladder until the process is dead; returns the rung that did it.

    When `stopped` says so during the wait for the guest, the wait ends with `Temporary`: an interrupted apply must not cut power.
    """
    if not identity.is_alive(process):
        return "already gone"
    if ways.press_button is not None and patience.button > 0 and _by_button(process, ways.press_button, patience, told, stopped):
        return "power button"
    rungs: list[tuple[str, Callable[[], None], float]] = [
        *([("forced power-off", ways.cut_power, patience.off)] if ways.cut_power is not None else []),
        ("SIGTERM", lambda: identity.send(process, signal.SIGTERM), patience.term),
        ("SIGKILL", lambda: identity.send(process, signal.SIGKILL), patience.kill),
    ]
    for name, act, seconds in rungs:
        told(name, None)
        act()
        if identity.wait_for_death(process, seconds):
            return name
    raise Permanent(
        f"process {process.pid} does not end, not even by SIGKILL; it waits for the kernel, and only a reboot of the host ends it"
    )


def ask(process: Identity, press_button: Callable[[], None] | None, seconds: float) -> bool:
    """Press the power button and wait until the guest has switched itself off; tells whether it did. Nothing is forced."""
    return press_button is not None and _by_button(process, press_button, Patience(button=seconds), lambda *_: None, lambda: False)


def _by_button(process: Identity, press: Callable[[], None], patience: Patience, told: Told, stopped: Callable[[], bool]) -> bool:
    until = time.monotonic() + patience.button
    told(f"power button, waiting up to {show_duration(patience.button)} for the guest", None)
    while (left := until - time.monotonic()) > 0:
        press()
        if identity.wait_for_death(process, min(left, patience.again), stopped):
            return True
        if stopped():
            raise Temporary("interrupted while the guest shuts down; it goes on doing so")
    told(f"the guest did not react to the power button within {show_duration(patience.button)}", None)
    return False
