"""What changed outside of herocloud: the world against the records, with the state opened for reading only."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Refused
from herocloud.model.ids import StackName
from herocloud.model.plans import Drift
from herocloud.operations import hosting, planning


class Drifted(NamedTuple):
    """The drift of one stack."""

    stack: StackName
    drift: tuple[Drift, ...]


def find_drift(folder: Path, stack: str | None) -> list[Drifted]:
    """Look at one stack, or at all that have records."""
    from herocloud.plan import drifting
    from herocloud.state import store

    recorded = store.read_recorded(folder)
    if stack is not None and stack not in recorded.records:
        raise Refused([planning.unknown_stack(stack, recorded)])
    names = [StackName(stack)] if stack is not None else sorted(recorded.records)
    if not names:
        return []
    observed = planning.look(hosting.find_host(folder, recorded), names)
    return [Drifted(name, drifting.find_drift(recorded.records[name], observed)) for name in names]
