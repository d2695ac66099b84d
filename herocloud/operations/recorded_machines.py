"""What the state knows of VMs, for looks at those whose own files were lost or changed."""

from functools import cached_property

from herocloud.model.worlds import Record, Recorded
from herocloud.providers.recollections import Memory, Remembered


class RecordedMachines(Memory):
    """The recorded VMs by sid and by name; they are sorted when somebody asks, because most looks find no VM at all."""

    def __init__(self, recorded: Recorded) -> None:
        """Answer from these records."""
        self._recorded = recorded

    def of_sid(self, sid: str) -> Remembered | None:
        """Return what is recorded of the VM with a sid."""
        record, lineage = self._by_sid.get(sid), self._recorded.lineage
        if record is None or lineage is None:
            return None
        machine = record.parts.get("machine")
        return Remembered(record.stack, record.address, lineage, record.provider, machine if isinstance(machine, dict) else None)

    def sid_of(self, stack: str, address: str) -> str | None:
        """Return the sid of the VM that is recorded under a name."""
        return self._by_name.get((stack, address))

    def is_foreign(self, lineage: str) -> bool:
        """Return whether the mark of a VM that is not recorded names another state, from which it would have to be taken over."""
        return lineage != self._recorded.lineage

    @cached_property
    def _by_sid(self) -> dict[str, Record]:
        records = (record for of_stack in self._recorded.records.values() for record in of_stack.values())
        return {record.sid: record for record in records if record.kind == "vm" and record.sid is not None}

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], str]:
        return {(record.stack, record.address): sid for sid, record in self._by_sid.items()}
