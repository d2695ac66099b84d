"""The history of the state, kept within limits: `history: {days, operations}` of the host file."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.operations import kept_data, lookups, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting
from herocloud.plan import lost_data, orphans
from herocloud.state.old_history import Limits, Pruned

DAYS = 365
OPERATIONS = 20_000
_DAY = 86400.0


class HistorySettings(NamedTuple):
    """What the host file says about the history."""

    days: int = DAYS
    operations: int = OPERATIONS


def read_settings(folder: Path) -> HistorySettings:
    """Return what the host file says; raises Refused for one that is wrong."""
    from herocloud.host import hostfile

    host_file, diagnostics = hostfile.read_host_file(folder)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    if errors:
        raise Refused(errors)
    values = {} if host_file is None else host_file.values
    return HistorySettings(values.get("history.days") or DAYS, values.get("history.operations") or OPERATIONS)


def prune(host: Hosting, how: How) -> Pruned:
    """Delete history beyond the limits, in batches, so that other commands do not wait long.

    What `undo`, `resume` and `state adopt` need stays: history as young as deleted data is kept, the newest apply of each stack, applies
    that did not end, and the last records of what lies on the host without one.
    """
    from herocloud.state import store

    folder, now = host.context.folder, how.clock.now()
    settings = read_settings(folder)
    limits = Limits(settings.days * _DAY, settings.operations, lost_data.KEEP_SECONDS + _DAY)
    reader = store.open_state(folder, write=False)
    done = Pruned(0, 0)
    if reader is None:
        return done
    with reader:
        if not reader.has_history_beyond(limits, now):
            return done
    spared = _without_record(host)
    opened = store.open_state(folder, write=True)
    assert opened is not None  # noqa: S101  (opening for writing makes what is not there)
    with opened:
        while opened.has_history_beyond(limits, now):
            some = opened.prune(limits, now, spared)
            done = Pruned(done.operations + some.operations, some.kept_from)
        if done.operations:
            opened.edit("history prune", None, (), at=now, caller=how.caller)
    return done


def _without_record(host: Hosting) -> set[tuple[StackName, Address]]:
    """Return what lies on the host and could be adopted or brought back by its last record."""
    recorded = lookups.read_recorded(host.context.folder)
    found = {(orphan.thing.stack, orphan.thing.address) for orphan in orphans.find_orphans(recorded, stack_plans.look(host, None))}
    return found | {(stone.stack, stone.address) for stone in kept_data.list_tombstones(host)}
