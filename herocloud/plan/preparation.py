"""Get ready first, then interrupt: what can fail without touching what runs comes before the first stop.

A download that fails after a machine was stopped leaves the machine down for nothing. So every step that begins to interrupt something
waits for all fetches, networks, new volumes and overlay work of the plan that do not themselves depend on an interruption. Waiting for
the preparations of its own change alone would not do: a fetch for one VM that fails ends the apply (`--on-failure stop`), and VMs of
other changes would stay down with it.
"""

from collections.abc import Mapping, Sequence

from herocloud.model.ids import StepId
from herocloud.model.steps import KINDS, Step, moves_node

_MOST_EDGES = 20_000
"""Beyond this many waits only fetches and networks are waited for, which are few however many VMs there are."""


def wait_for_preparations(steps: Sequence[Step], waits: Mapping[StepId, set[StepId]]) -> dict[StepId, set[StepId]]:
    """Return `waits` with what the first interrupting steps have to wait for; `steps` are sorted by what they need."""
    after_interrupt: set[StepId] = set()
    preparing: list[Step] = []
    first: list[StepId] = []
    for step in steps:
        interrupted = not (after_interrupt.isdisjoint(step.needs) and after_interrupt.isdisjoint(waits.get(step.id, ())))
        # A node of the overlay that moves to another /64 cuts VMs off, although its kind touches nothing that runs otherwise.
        if KINDS[step.kind].interrupts or moves_node(step):
            if not interrupted:
                first.append(step.id)
            after_interrupt.add(step.id)
        elif interrupted:
            after_interrupt.add(step.id)
        elif KINDS[step.kind].prepares:
            preparing.append(step)
    if len(preparing) * len(first) > _MOST_EDGES:
        preparing = [step for step in preparing if KINDS[step.kind].few]
    result = dict(waits)
    if preparing:
        ready = {step.id for step in preparing}
        for step_id in first:
            result[step_id] = result.get(step_id, set()) | ready
    return result
