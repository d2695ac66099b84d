"""The files that say what a thing is and whose it is, where they are not as they were written: they are written again before all else.

A VM may run meanwhile, and goes on: what it is, and what its disks are, stands in its record.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.parts import without_mark
from herocloud.model.steps import BESIDE, Step
from herocloud.plan.step_sequence import StepSequence

_KINDS = {"disk": "disk.grow", "seed": "seed.write", "volume": "volume.grow", "image": "image.fetch", "snapshot": "snapshot.create"}
"""Which kind of step writes the mark of a part again, by the first word of its name."""


def write_again(seq: StepSequence, present: Mapping[str, Part], provider: str | None) -> Mapping[str, Part]:
    """Write again what was lost of a thing, of a VM that `provider` runs say, and return its parts as they are then."""
    machine, after = present.get("machine"), dict(present)
    if isinstance(machine, Mapping) and not powers.LOST.isdisjoint(machine):
        after["machine"] = {field: value for field, value in machine.items() if field not in powers.ONLY_SEEN}
        seq.add("vm.update", "machine", machine, after["machine"], provider=provider)
    for name, part in present.items():
        if _has_lost_mark(name, part):
            after[name] = without_mark(part)
            seq.add(_KINDS[name.partition(".")[0]], name, part, after[name])
    return after


def sound(name: str, part: Part) -> Part:
    """Return a part as it is once its mark was written again."""
    return without_mark(part) if _has_lost_mark(name, part) else part


def is_written_again(step: Step) -> bool:
    """Return whether a step writes again what was lost."""
    if step.part == "machine":
        return isinstance(step.before, Mapping) and not powers.LOST.isdisjoint(step.before)
    return step.after is not None and _has_lost_mark(step.part, step.before)


def _has_lost_mark(name: str, part: Part) -> bool:
    # What waits beside the place of something is thrown away and made again.
    return isinstance(part, Mapping) and powers.MARK in part and name.partition(".")[0] in _KINDS and not name.endswith(BESIDE)
