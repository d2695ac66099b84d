"""An older state is brought to the present form by writers, and read without a change by readers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.state import connections, migrating, state_files

NEXT = (*migrating.MIGRATIONS, ("ALTER TABLE world ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey'",))


@pytest.fixture
def old(folder, store, make) -> Path:
    """Return a folder with a state of the form of today, seen from tomorrow."""
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("volume.a")))
    store.close()
    return folder


def version_in(folder) -> int:
    with closing(sqlite3.connect(state_files.database(folder))) as connection:
        return migrating.version_of(connection)


def test_a_writer_brings_the_state_to_the_next_form(old) -> None:
    with closing(connections.open_for_writing(old, NEXT)) as connection:
        assert connection.execute("SELECT colour, serial FROM world").fetchall() == [("grey", 1)]
    assert version_in(old) == len(NEXT)


def test_a_reader_sees_the_next_form_and_leaves_the_old_one(old, content_of) -> None:
    before = content_of(old)
    with closing(connections.open_for_reading(old, NEXT)) as connection:
        assert connection.execute("SELECT colour, serial FROM world").fetchall() == [("grey", 1)]
    assert content_of(old) == before


def test_the_older_program_refuses_the_next_form(old) -> None:
    connections.open_for_writing(old, NEXT).close()
    for attempt in (connections.open_for_reading, connections.open_for_writing):
        with pytest.raises(Refused, match="written by a newer herocloud"):
            attempt(old)


@pytest.mark.parametrize("point", ["state.migrate.before", "state.migrate.written"])
def test_a_migration_that_fails_leaves_the_old_form(point, old, inject) -> None:
    inject(f"{point}:1:enospc")
    with pytest.raises(Refused):
        connections.open_for_writing(old, NEXT)
    inject()
    assert version_in(old) == len(migrating.MIGRATIONS)
    connections.open_for_writing(old, NEXT).close()
    assert version_in(old) == len(NEXT)


def test_a_migration_runs_whole_or_not_at_all(old) -> None:
    broken = (*migrating.MIGRATIONS, ("CREATE TABLE half (one INTEGER) STRICT", "SELECT * FROM nowhere"))
    with pytest.raises(sqlite3.OperationalError):
        connections.open_for_writing(old, broken)
    assert version_in(old) == len(migrating.MIGRATIONS)
    with closing(sqlite3.connect(state_files.database(old))) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'half'").fetchall() == []


def test_every_table_is_strict(store) -> None:
    rows = store._connection.execute(
        "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert len(rows) >= 8
    assert all(strict for _, strict in rows)
