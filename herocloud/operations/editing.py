"""Changing records by hand, under the lock: rename, forget, protect. The machines are not touched."""

from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked
from herocloud.model.worlds import Record
from herocloud.operations import reading, running
from herocloud.operations.running import How
from herocloud.state.store import Store


def remove(folder: Path, address: str, stack: str | None, how: How) -> Record:
    """Forget a record; returns what it was."""
    from herocloud.state import editing

    with running.writing(folder, "state rm", None, how) as store:
        record = _find(store, address, stack)
        if record.protect:
            detail = f"`{record.address}` is protected, and a record that is gone protects nothing."
            raise Blocked(
                [
                    Diagnostic(
                        "protected",
                        "Protected",
                        detail,
                        address=record.address,
                        hint=f"`herocloud state protect --off {record.address}` lifts it first",
                    )
                ]
            )
        editing.remove_record(store, record.stack, record.address)
    return record


def protect(folder: Path, address: str, stack: str | None, how: How, *, on: bool) -> Record:
    """Protect a record from deletion and replacement, or take that away."""
    from herocloud.state import editing

    with running.writing(folder, "state protect", None, how) as store:
        record = _find(store, address, stack)
        if record.protect is not on:
            editing.set_protect(store, record.stack, record.address, on)
    return record


def _find(store: Store, address: str, stack: str | None) -> Record:
    running.require_ended(store.unfinished())
    return reading.find_record(store.recorded(), address, stack)
