"""Finishing or taking back an apply that did not end."""

from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import running
from herocloud.operations.running import How, Recovered


def resume(folder: Path, how: How, *, rollback: bool = False) -> Recovered | None:
    """Go on with the unfinished apply; nothing when there is none, and then nothing is written either."""
    from herocloud.state import store

    if store.read_recorded(folder).unfinished is None:
        if rollback:
            raise Refused([_NOTHING])
        return None
    with running.writing(folder, "resume", None, how) as opened:
        return running.recover(folder, opened, how, rollback=rollback)


_NOTHING = Diagnostic(
    "nothing-unfinished",
    "There is nothing to take back",
    "The last apply came to its end.",
    hint="`herocloud undo` takes back a finished apply",
)
