"""What a record is counted for and nothing on the host uses yet: the steps of its change live on that first."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.model.steps import NOTHING, Claim
from herocloud.model.worlds import Record
from herocloud.plan import bandwidth, snapshot_space, step_compiler, usage
from herocloud.plan.step_sequence import StepSequence


def fill(seq: StepSequence, record: Record | None, present: Mapping[str, Part]) -> None:
    """Charge steps that take disk or bandwidth to what is promised and not used; what they leave of it is given back."""
    if record is None:
        return
    disk, network = _unused(record, present)
    for number, step in enumerate(seq.steps if disk or network else ()):
        takes = step.takes
        left = takes._replace(disk=max(0, takes.disk - disk), network=max(0, takes.network - network))
        seq.steps[number] = step._replace(takes=left)
        disk, network = disk - takes.disk + left.disk, network - takes.network + left.network
    step_compiler.claim(seq, NOTHING, Claim(disk=disk, network=network))


def _unused(record: Record, present: Mapping[str, Part]) -> tuple[int, int]:
    """Return the bytes and the bandwidth that are promised and not used."""
    disk = usage.room_of(record, present) - usage.filled_by(present)
    return disk, usage.counted(record, present).network - bandwidth.of_cards(present) if record.kind == "vm" else 0


def take_for_snapshots(seq: StepSequence, spec: Spec, record: Record | None, present: Mapping[str, Part]) -> None:
    """Account for the room of snapshots that are taken by themselves."""
    more = snapshot_space.reserved(spec, present) - (snapshot_space.reserved(record.spec, record.parts) if record else 0)
    if more:
        step_compiler.claim(seq, Claim(disk=max(0, more)), Claim(disk=max(0, -more)))
