"""Restarts that nobody of ours asked for, written down: what stands beside a VM acts by itself, and `state log` is to show it."""

from collections.abc import Iterable
from pathlib import Path

from herocloud.model.applies import Caller
from herocloud.model.ids import Address, StackName, StepId
from herocloud.operations import admission
from herocloud.operations.callers import How
from herocloud.providers.restart_events import RestartEvent

KEEPER = Caller("keeper", "restart policy")
_WORDS = {"restarted": "vm restart", "gave-up": "vm give up"}


def write(folder: Path, stack: StackName, address: Address, events: Iterable[RestartEvent], how: How) -> None:
    """Write restarts, and the end of them, into the journal of the state; each with the time at which it was."""
    from herocloud.state.store import Entry

    told = [event for event in events if event.kind in _WORDS]
    if not told:
        return
    with admission.editing(folder, stack, "restart log", how) as store:
        for event in told:
            step = StepId(f"{address}/restart")
            store.edit(_WORDS[event.kind], stack, [Entry(step, "done", event.at, event.detail)], at=event.at, caller=KEEPER)
