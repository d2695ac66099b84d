"""Steps that give things their new names: marks first, then the cards of a network, and everything else after them.

Before all of these a mark that was lost is written again.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address
from herocloud.model.steps import KINDS, RECORD_WRITE, Step
from herocloud.model.worlds import Record
from herocloud.plan import lost_marks, network_names
from herocloud.plan.step_sequence import StepSequence


def rename_marked(seq: StepSequence, kind: str, marked_as: Address | None, present: Mapping[str, Part]) -> None:
    """Give what is there under another name its own before anything else looks for it."""
    if marked_as is not None and present:
        seq.add(f"{kind}.move", "mark", {"address": marked_as}, {"address": seq.address})


def relabel_cards(seq: StepSequence, record: Record | None, present: Mapping[str, Part], networks: Mapping[str, str]) -> dict[str, Part]:
    """Tell cards the new name of their network; returns the parts as they are then. `networks` has new names by old ones."""
    after = dict(present)
    for key, name in sorted(network_names.relabels(record, present, networks).items()):
        after[key] = {**present[key], "network": name}
        seq.add("tap.update", key, present[key], after[key], [seq.steps[-1].id if seq.steps else None])
    return after


def come_first(seq: StepSequence) -> None:
    """Make every other step that waits for nothing wait for the new names, and those for the marks that are written again."""
    head = 0
    while head < len(seq.steps) and (gives_name(seq.steps[head]) or lost_marks.is_written_again(seq.steps[head])):
        if head:
            seq.steps[head] = _after(seq.steps[head - 1], seq.steps[head])
        head += 1
    if head:
        last = seq.steps[head - 1]
        seq.steps[head:] = [_after(last, step) for step in seq.steps[head:]]


def _after(first: Step, step: Step) -> Step:
    return step if step.needs else step._replace(needs=(first.id,))


def gives_name(step: Step) -> bool:
    """Return whether a step does nothing but tell something its new name, or that of its network."""
    if KINDS[step.kind].moves_mark:
        return True
    return step.kind == "tap.update" and {**step.before, "network": None} == {**step.after, "network": None}


def are_all(steps: Iterable[Step]) -> bool:
    """Return whether nothing happens to the thing itself: only its record and its name on the host change."""
    return all(step.kind == RECORD_WRITE or KINDS[step.kind].moves_mark for step in steps)
