"""A look at a data folder before SQLite opens anything in it: whether there is a state, and whether it can be one of ours.

SQLite would create what is missing and start to recover what is damaged. Here nothing is opened for writing, so that a refusal
leaves every byte as it was.
"""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import failing, layout
from herocloud.state.migrating import APPLICATION_ID, MIGRATIONS

_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100
SMALL = 1024 * 1024
"""Up to this size the whole database is checked at every opening, which takes less than a millisecond."""


class Seen(NamedTuple):
    """What is in the folder."""

    present: bool
    """True when there is a database; False when nothing was ever written here."""
    lineage: str | None = None
    """What the marker says."""
    size: int = 0
    log_bytes: int | None = None
    """The size of the write-ahead log; nothing when there is none."""
    indexed: bool = False
    """Whether the log's index is there, without which a reader would have to create it."""


def examine(folder: Path, newest: int = len(MIGRATIONS)) -> Seen:
    """Look into the folder; raises `Refused` when a state should be there and is missing, damaged, foreign, newer or unreadable."""
    path = layout.database(folder)
    with failing.Guarded(path):
        lineage = _read_marker(folder)
        log_bytes = _size(folder / layout.LOG)
        indexed = _size(folder / layout.LOG_INDEX) is not None
        size = _size(path)
        if size is None:
            if lineage is not None or log_bytes is not None or indexed:
                raise _missing(folder, lineage)
            return Seen(present=False)
        if not path.is_file():
            raise failing.damaged(path, "it is not a file")
        with path.open("rb") as stream:
            header = stream.read(_HEADER_BYTES)
    _check_header(path, header, newest)
    return Seen(True, lineage, size, log_bytes, indexed)


def newer(path: Path, version: int) -> Refused:
    """Return the exception for a state in a form that this program does not know."""
    return Refused(
        [
            Diagnostic(
                "state-newer",
                "The state was written by a newer herocloud",
                f"`{path}` has format {version}, and this program knows formats up to {len(MIGRATIONS)}. Nothing was changed. "
                "Use the newer herocloud again, or put back the copy of the data folder from before the upgrade.",
            )
        ]
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise failing.refusal("state-unusable", path.parent, "it is not a folder") from error


def _read_marker(folder: Path) -> str | None:
    try:
        text = layout.marker(folder).read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # An empty marker still says that a state was here; whose it was, the database knows.
    return text


def _missing(folder: Path, lineage: str | None) -> Refused:
    evidence = (
        f"`{layout.MARKER}` says that the state {lineage} was kept here" if lineage else "its other files show that a state was kept here"
    )
    return Refused(
        [
            Diagnostic(
                "state-missing",
                "The state is missing",
                f"`{layout.database(folder)}` is gone, but {evidence}. Herocloud does not take that for an empty host, because it would "
                f"make everything a second time. Put `{layout.DATABASE}` back from a backup. Only when nothing of ours is left on this "
                f"host: remove `{layout.MARKER}`, `{layout.LOG}` and `{layout.LOG_INDEX}` from the folder and begin anew.",
            )
        ]
    )


def _check_header(path: Path, header: bytes, newest: int) -> None:
    if not header:
        raise failing.damaged(path, "it is empty")
    if len(header) < _HEADER_BYTES:
        raise failing.damaged(path, f"it was cut off after {len(header)} bytes")
    if not header.startswith(_MAGIC):
        raise failing.damaged(path, "it is not a database")
    # Offsets 60 and 68 of the documented file format: user_version and application_id.
    version, application = int.from_bytes(header[60:64], "big"), int.from_bytes(header[68:72], "big")
    if application != APPLICATION_ID:
        raise failing.damaged(path, "it is the database of another program")
    if version > newest:
        raise newer(path, version)
