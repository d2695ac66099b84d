"""Who hears of an apply. A listener never harms it.

When a view fails (the terminal was closed, the pipe has no reader, the disk that `--json-into` writes to is full), it goes silent and the
work continues.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event, EventData, EventType, Outcome
from herocloud.model.steps import Step
from herocloud.model.words import Status

log = logging.getLogger(__name__)


class Listener:
    """A listener wrapped so that its errors stay its own."""

    def __init__(self, tell: Callable[[Event], None], apply: str = "") -> None:
        """Wrap `tell`, who hears of this apply."""
        self._tell = tell
        self._apply = apply
        self._gone = False

    def say(self, event: Event) -> None:
        """Pass on one event, if anybody still listens."""
        if self._gone:
            return
        try:
            self._tell(event._replace(apply=self._apply))
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


def say_carried(carried: Mapping[Address, Sequence[Address]], outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """Say which changes began after a failure although no other did, for which that had begun, and which of them failed in turn."""
    if not carried:
        return ()
    names, those = _name(carried), _name(address for begun in carried.values() for address in begun)
    failed = _name(outcome.address for outcome in outcomes if outcome.status is Status.FAILED and outcome.address in carried)
    them = "it" if len(carried) == 1 else "them"
    said = f"{names} went on after the failure, because {those} had begun and could not be finished without {them}."
    return (f"{said} Then {failed} failed too.",) if failed else (said,)


def _name(addresses: Iterable[Address]) -> str:
    return ", ".join(f"`{address}`" for address in dict.fromkeys(addresses))
