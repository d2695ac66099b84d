"""Who hears of an apply. A listener never harms it.

When a view fails (the terminal was closed, the pipe has no reader, the disk that `--json-into` writes to is full), it goes silent and the
work continues.
"""

import logging
from collections.abc import Callable, Sequence

from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event, EventData, EventType
from herocloud.model.steps import Step

log = logging.getLogger(__name__)


class Listener:
    """A listener wrapped so that its errors stay its own."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """Wrap `tell`."""
        self._tell = tell
        self._gone = False

    def say(self, event: Event) -> None:
        """Pass on one event, if anybody still listens."""
        if self._gone:
            return
        try:
            self._tell(event)
        except (OSError, ValueError):
            # ValueError is what a closed Python stream raises; OSError is a closed terminal or pipe.
            self._gone = True
            log.warning("nobody listens to the events any more; the work continues", exc_info=True)
        except Exception:
            log.exception("a listener failed on an event of type %s", event.type)

    def step(
        self, kind: EventType, step: Step, *, seconds: float = 0.0, detail: str = "", data: EventData | None = None, back: bool = False
    ) -> None:
        """Pass on news of one step, or with `back` of its undoing."""
        self.say(Event(kind, step.address, step.id, step.kind, seconds, detail, data, back))

    def note(self, detail: str, *, seconds: float = 0.0, address: Address | None = None, step: StepId | None = None) -> None:
        """Pass on a remark in words."""
        self.say(Event("note", address, step, None, seconds, detail))


def say_carried(more: Sequence[Address], begun: Sequence[Address]) -> str:
    """Say which changes begin after a failure although no other does, and for which."""
    names, those = (", ".join(f"`{address}`" for address in addresses) for addresses in (more, begun))
    return f"{names} went on after the failure, because {those} had begun and could not be finished without."
