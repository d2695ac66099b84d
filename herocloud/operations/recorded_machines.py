"""What the state knows of VMs and of what lies on the host, for looks at those whose own files were lost or changed."""

from collections.abc import Iterator
from functools import cached_property

from herocloud.model.parts import SNAPSHOT
from herocloud.model.worlds import Record, Recorded
from herocloud.providers.recollections import Memory, Remembered, RememberedPart

_MARKED = ("disk", "seed", "disk.new", "seed.new", "volume", "image")
"""Parts with a mark of their own beside them; snapshots have one too."""

_INTERFACES = {"network": "bridge", "nic": "tap"}
"""The field that names the interface of a part, by the first word of its name."""


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

    def parts(self) -> tuple[RememberedPart, ...]:
        """Return all that is recorded and has a mark beside it."""
        return self._parts

    def of_interface(self, name: str) -> RememberedPart | None:
        """Return what is recorded of the network or card that has an interface with this name."""
        lineage = self._recorded.lineage
        if lineage is None:
            return None
        for stack, records in self._recorded.records.items():
            for record in records.values():
                for kind, part in record.parts.items():
                    if isinstance(part, dict) and name == part.get(_INTERFACES.get(kind.partition(".")[0], "")):
                        return RememberedPart(stack, record.address, lineage, kind, part)
        return None

    @cached_property
    def _parts(self) -> tuple[RememberedPart, ...]:
        return tuple(self._find_parts(self._recorded.lineage)) if self._recorded.lineage is not None else ()

    def _find_parts(self, lineage: str) -> Iterator[RememberedPart]:
        for stack, records in self._recorded.records.items():
            for record in records.values():
                sids = (record.sid,) if record.sid is not None else ()
                for name, part in record.parts.items():
                    if isinstance(part, dict) and (name in _MARKED or name.startswith(SNAPSHOT)):
                        yield RememberedPart(stack, record.address, lineage, name, part, sids)

    @cached_property
    def _by_sid(self) -> dict[str, Record]:
        records = (record for of_stack in self._recorded.records.values() for record in of_stack.values())
        return {record.sid: record for record in records if record.kind == "vm" and record.sid is not None}

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], str]:
        return {(record.stack, record.address): sid for sid, record in self._by_sid.items()}
