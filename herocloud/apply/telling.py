"""Telling what happens, without ever letting the listener hurt the apply.

A view may fail: the terminal was closed, the pipe has no reader, the disk that `--json-into` writes to is full. None of this is a
reason to leave a machine half-made, so the voice goes silent and the work goes on.
"""

import logging
from collections.abc import Callable

from herocloud.kits.jsons import Json
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event
from herocloud.model.steps import Step

log = logging.getLogger(__name__)


class Voice:
    """A listener wrapped so that its errors stay its own."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """Wrap `tell`."""
        self._tell = tell
        self._gone = False

    def say(self, event: Event) -> None:
        """Tell one event, if anybody still listens."""
        if self._gone:
            return
        try:
            self._tell(event)
        except (OSError, ValueError):
            # ValueError is what a closed Python stream raises; OSError is a closed terminal or pipe.
            self._gone = True
            log.warning("nobody listens to the events any more; the work goes on", exc_info=True)
        except Exception:
            log.exception("a listener failed on an event of type %s", event.type)

    def step(self, kind: str, step: Step, *, seconds: float = 0.0, detail: str = "", data: Json = None, back: bool = False) -> None:
        """Tell something about one step, or with `back` about taking it back."""
        self.say(Event(kind, step.address, step.id, step.kind, seconds, detail, data, back))

    def note(self, detail: str, *, seconds: float = 0.0, address: Address | None = None, step: StepId | None = None) -> None:
        """Tell something in words."""
        self.say(Event("note", address, step, None, seconds, detail))
