"""The tables, and the numbered steps that brought them to their present form.

`user_version` counts the steps that a database has been through. A step is never changed once released; the next change is the next
step. Each runs in one transaction with its number, so that a crash leaves the old form or the new one.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from herocloud.kits import faults
from herocloud.state import failures

APPLICATION_ID = 0x68636C64
"""`hcld` in the file's header: another program's database is recognized before anything reads it."""

_FIRST = (
    # One row: what the state as a whole is.
    """CREATE TABLE world (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        lineage TEXT NOT NULL,
        serial INTEGER NOT NULL,
        slices INTEGER NOT NULL
    ) STRICT""",
    # One row per operation that changed something; serials count them.
    """CREATE TABLE serials (
        serial INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        operation TEXT NOT NULL,
        plan TEXT,
        stack TEXT
    ) STRICT""",
    # Every version of every record: valid from the serial `since` up to, and not with, `until`. The version of now has no `until`. A table
    # of present records beside a log of old ones would write each record twice per step, and could disagree with itself.
    """CREATE TABLE records (
        id INTEGER PRIMARY KEY,
        stack TEXT NOT NULL,
        address TEXT NOT NULL,
        since INTEGER NOT NULL REFERENCES serials (serial),
        until INTEGER REFERENCES serials (serial) CHECK (until > since),
        sid TEXT,
        body TEXT NOT NULL
    ) STRICT""",
    "CREATE UNIQUE INDEX records_now ON records (stack, address) WHERE until IS NULL",
    "CREATE UNIQUE INDEX records_sid ON records (sid) WHERE until IS NULL AND sid IS NOT NULL",
    "CREATE INDEX records_then ON records (stack, address, until) WHERE until IS NOT NULL",
    # The primary key is what keeps two writers from giving one slice twice.
    """CREATE TABLE assignments (
        sid TEXT PRIMARY KEY,
        stack TEXT NOT NULL,
        address TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX assignments_owner ON assignments (stack, address)",
    """CREATE TABLE outputs (
        stack TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (stack, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE applies (
        apply INTEGER PRIMARY KEY,
        plan TEXT NOT NULL,
        stack TEXT NOT NULL,
        operation TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('running', 'interrupted', 'done', 'partial', 'rolled back')),
        started REAL NOT NULL,
        ended REAL,
        serial INTEGER NOT NULL REFERENCES serials (serial),
        rollback_of TEXT
    ) STRICT""",
    "CREATE INDEX applies_plan ON applies (plan)",
    "CREATE INDEX applies_unfinished ON applies (apply) WHERE status IN ('running', 'interrupted')",
    # A plan in pieces of some hundred steps, each compressed: whole, it would be in memory three times over.
    """CREATE TABLE pieces (
        id INTEGER PRIMARY KEY,
        apply INTEGER NOT NULL REFERENCES applies (apply),
        part TEXT NOT NULL CHECK (part IN ('head', 'change', 'step')),
        body BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX pieces_apply ON pieces (apply)",
    """CREATE TABLE journal (
        apply INTEGER NOT NULL REFERENCES applies (apply),
        number INTEGER NOT NULL,
        step TEXT NOT NULL,
        event TEXT NOT NULL CHECK (event IN ('intent', 'done', 'failed', 'skipped', 'cancelled', 'undoing', 'undone')),
        at REAL NOT NULL,
        seconds REAL NOT NULL,
        detail TEXT NOT NULL,
        PRIMARY KEY (apply, number)
    ) STRICT, WITHOUT ROWID""",
    # The last few durations of each kind of step. Asking the journal would need an index that every step pays for.
    """CREATE TABLE durations (
        kind TEXT NOT NULL,
        number INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (kind, number)
    ) STRICT, WITHOUT ROWID""",
)

_AUDIT = (
    # Who asked for what, and what came of it: the state log is an audit trail. What is nothing here was written before there was one.
    "ALTER TABLE serials ADD COLUMN user TEXT",
    "ALTER TABLE serials ADD COLUMN command TEXT",
    "ALTER TABLE applies ADD COLUMN job TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE applies ADD COLUMN approved TEXT NOT NULL DEFAULT ''",
    # The one VM that an imperative command is about; empty for an apply of a whole stack.
    "ALTER TABLE applies ADD COLUMN address TEXT NOT NULL DEFAULT ''",
    # The process that works on it, or that did last, as JSON.
    "ALTER TABLE applies ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
    # What it may come to hold until it ends: records as a JSON list, empty once it has ended.
    "ALTER TABLE applies ADD COLUMN reserved TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE applies ADD COLUMN added INTEGER",
    "ALTER TABLE applies ADD COLUMN changed INTEGER",
    "ALTER TABLE applies ADD COLUMN destroyed INTEGER",
    "ALTER TABLE applies ADD COLUMN taken_back INTEGER",
    "CREATE INDEX applies_serial ON applies (serial)",
)

_HOSTS = (
    # Which host a record is about. The id of this one is made once and never changes, whatever the host is called.
    "ALTER TABLE world ADD COLUMN host TEXT NOT NULL DEFAULT ''",
    "UPDATE world SET host = lower(hex(randomblob(8)))",
    "ALTER TABLE records ADD COLUMN host TEXT NOT NULL DEFAULT 'here'",
    # What was learnt before says nothing of who was how fast, and is soon learnt again.
    "DROP TABLE durations",
    """CREATE TABLE durations (
        kind TEXT NOT NULL,
        provider TEXT NOT NULL,
        number INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (kind, provider, number)
    ) STRICT, WITHOUT ROWID""",
)

_PRUNED = (
    # The first serial of which everything is still known: history before it was thrown away.
    "ALTER TABLE world ADD COLUMN kept_from INTEGER NOT NULL DEFAULT 0",
)

_REPLACED = (
    # How many of what was added and destroyed are one thing in the place of another.
    "ALTER TABLE applies ADD COLUMN replaced INTEGER",
)

MIGRATIONS: tuple[Sequence[str], ...] = (_FIRST, _AUDIT, _HOSTS, _PRUNED, _REPLACED)
"""Each entry takes a database from its position to the next number."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many migrations the database has been through."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the database to the newest form."""
    for number in range(version_of(connection), len(migrations)):
        faults.reached("state.migrate.before")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done this step while this one waited for the transaction.
            if version_of(connection) > number:
                connection.execute("ROLLBACK")
                continue
            for statement in migrations[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            faults.reached("state.migrate.written")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            # SQLite has rolled back by itself after some failures.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if "already exists" in str(error) or "duplicate column" in str(error):
                path = Path(connection.execute("PRAGMA database_list").fetchone()[2] or "the copy in memory")
                fact = f"its `user_version` is {number}, and it has what only a later format has ({error})"
                raise failures.damaged(path, fact) from error
            raise
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        faults.reached("state.migrate.after")
