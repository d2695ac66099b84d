"""The names of the state's files in a data folder.

The write-ahead log and its index stay between commands (see `opening`), so five names is what a person sees after the first apply.
"""

from pathlib import Path

DATABASE = "state.db"
LOG = "state.db-wal"
LOG_INDEX = "state.db-shm"
DRAFT = "state.db.new"
"""The database while it is being made; it gets its name only when it is whole."""
MARKER = "state.lineage"
"""Says that a database was here, so that a lost one is never taken for an empty host."""
HOLDER = "lock"
"""Who writes at the moment; the lock itself is on the folder, where nobody can delete it."""
KEY = "secret.key"


def database(folder: Path) -> Path:
    """Return where the database is."""
    return folder / DATABASE


def marker(folder: Path) -> Path:
    """Return where the marker is."""
    return folder / MARKER


def holder(folder: Path) -> Path:
    """Return where the record of the lock's holder is."""
    return folder / HOLDER
