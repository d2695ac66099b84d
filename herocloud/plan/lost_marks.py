"""The files of a VM that say what runs and whose it is, where they are not as they were written: they are written again before all else.

The VM may run meanwhile, and goes on: what it is stands in its record.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.steps import Step
from herocloud.plan.step_sequence import StepSequence


def write_again(seq: StepSequence, present: Mapping[str, Part], provider: str | None) -> Mapping[str, Part]:
    """Write again what was lost of a VM that `provider` runs, and return its parts as they are then."""
    machine = present.get("machine")
    if not isinstance(machine, Mapping) or powers.LOST.isdisjoint(machine):
        return present
    whole = {field: value for field, value in machine.items() if field not in powers.ONLY_SEEN}
    seq.add("vm.update", "machine", machine, whole, provider=provider)
    return {**present, "machine": whole}


def is_written_again(step: Step) -> bool:
    """Return whether a step writes again what was lost."""
    return step.part == "machine" and isinstance(step.before, Mapping) and not powers.LOST.isdisjoint(step.before)
