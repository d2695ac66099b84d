"""An older state is brought to the present form by writers, and read without a change by readers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from herocloud.kits import jsons
from herocloud.model.errors import Refused
from herocloud.model.ids import HERE, HostId
from herocloud.state import connections, migrating, state_files
from herocloud.state import store as states

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


@pytest.fixture
def before_hosts(folder, make) -> Path:
    """Return a folder with a state as it was written before records knew their host."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = state_files.database(folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id = {migrating.APPLICATION_ID}")
        migrating.migrate(connection, migrating.MIGRATIONS[:2])
        connection.execute("INSERT INTO serials (serial, at, operation) VALUES (0, 1.0, 'created')")
        connection.execute("INSERT INTO world VALUES (1, 'cafe', 0, 0)")
        body = jsons.dumps(make.record("volume.a")[:10])
        connection.execute("INSERT INTO records (stack, address, since, sid, body) VALUES ('shop', 'volume.a', 0, NULL, ?)", (body,))
        connection.execute("INSERT INTO durations VALUES ('vm.boot', 1, 2.0)")
        connection.execute("PRAGMA journal_mode = WAL")
    path.chmod(0o600)
    return folder


def test_a_state_from_before_there_were_hosts_is_read_as_it_is(before_hosts, make) -> None:
    with states.open_state(before_hosts, write=False) as store:
        assert store.recorded().records == {"shop": {"volume.a": make.record("volume.a")}}
        assert store.recorded().durations == {}
    assert version_in(before_hosts) == 2


def test_a_state_from_before_there_were_hosts_gets_the_id_of_its_host_once(before_hosts, make) -> None:
    hosts = set()
    for _ in range(2):
        with states.open_state(before_hosts, write=True) as store:
            hosts.add(store.host)
            assert store.recorded().records["shop"]["volume.a"].host == HERE
    (host,) = hosts
    assert len(host) == 16


def test_a_record_of_another_host_says_so_in_the_state_and_others_do_not(store, make) -> None:
    far = make.record("volume.b")._replace(host=HostId("far"))
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("volume.a"), far))
    assert store.recorded().records["shop"] == {"volume.a": make.record("volume.a"), "volume.b": far}
    rows = store._connection.execute("SELECT address, host, body LIKE '%here%' FROM records ORDER BY address").fetchall()
    assert rows == [("volume.a", "here", 0), ("volume.b", "far", 0)]
