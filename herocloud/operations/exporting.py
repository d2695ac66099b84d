"""The YAML of what is recorded."""

from collections.abc import Sequence
from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record
from herocloud.operations import planning, reading


def export(folder: Path, stack: str | None, addresses: Sequence[str]) -> list[tuple[StackName, str]]:
    """Write each stack, or only these addresses with what they need; all stacks when none is named."""
    from herocloud.stack import exporting

    recorded = reading.read_recorded(folder)
    if stack is not None and stack not in recorded.records:
        raise Refused([planning.unknown_stack(stack, recorded)])
    found = []
    wanted = {
        name: list(reading.records_of(recorded, name)) for name in ([StackName(stack)] if stack is not None else sorted(recorded.records))
    }
    if addresses:
        chosen = [reading.find_record(recorded, address, stack) for address in addresses]
        wanted = {name: _with_needs(records, [one for one in chosen if one.stack == name]) for name, records in wanted.items()}
    for name, records in wanted.items():
        if records:
            # Outputs may speak of what was left out.
            outputs = None if addresses else recorded.outputs.get(name)
            found.append((name, exporting.export_yaml(records, name, outputs)))
    if not found:
        raise Refused([Diagnostic("nothing-recorded", "Nothing is recorded", f"There are no records in `{folder}`.")])
    return found


def _with_needs(records: Sequence[Record], chosen: Sequence[Record]) -> list[Record]:
    """Return the chosen records and everything they rely on, in the order of the state."""
    by_address = {record.address: record for record in records}
    seen: set[Address] = set()
    left = [record.address for record in chosen]
    while left:
        address = left.pop()
        if address not in seen and address in by_address:
            seen.add(address)
            left += by_address[address].needs
    return [record for record in records if record.address in seen]
