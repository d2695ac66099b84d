"""The daemon's own file, taken away under it: put back where it can be, and else said before anything is lost."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.store import daemon_file

FILES = (daemon_file.FILE, f"{daemon_file.FILE}-wal", f"{daemon_file.FILE}-shm")


def remove(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def deploy(daemon: Any, number: int) -> Any:
    return daemon.call("deploy_vm", name=f"vm-{number}", slice_sid=f"s{number}", image="tiny", wait=30)


@pytest.mark.parametrize("names", [FILES, FILES[:1], FILES[:2], FILES[1:2], FILES[1:], FILES[2:]], ids=" ".join)
def test_one_that_was_removed_is_put_back_with_all_that_it_held(start: Any, folder: Path, names: tuple[str, ...]) -> None:
    daemon = start(upkeep=False)
    deploy(daemon, 1)
    remove(folder, *names)
    deploy(daemon, 2)
    assert daemon.call("rpc.health")["ready"]
    # As after `kill -9`: nothing may wait for the end of the daemon.
    with closing(sqlite3.connect(f"file:{folder / daemon_file.FILE}?mode=ro", uri=True)) as seen:
        assert seen.execute("SELECT number, status FROM jobs ORDER BY number").fetchall() == [(1, "done"), (2, "done")]
        sequences = [seq for (seq,) in seen.execute("SELECT seq FROM events ORDER BY seq")]
    assert sequences == list(range(1, len(sequences) + 1))
    daemon.close()
    again = start(upkeep=False)
    assert [job["job_id"] for job in again.call("list_jobs")] == ["j2", "j1"]
    assert deploy(again, 3)["job_id"] == "j3"


def test_health_puts_it_back_where_nobody_writes(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    deploy(daemon, 1)
    remove(folder, *FILES)
    assert daemon.request("GET", "/health").status == 200
    assert (folder / daemon_file.FILE).exists()


def overwrite(folder: Path) -> None:
    shutil.copyfile(folder / "older.db", folder / daemon_file.FILE)


def replace(folder: Path) -> None:
    (folder / "older.db").rename(folder / daemon_file.FILE)


def cut(folder: Path) -> None:
    with (folder / daemon_file.FILE).open("r+b") as stream:
        stream.truncate(4096)


def empty(folder: Path) -> None:
    (folder / daemon_file.FILE).write_bytes(b"")


@pytest.mark.parametrize("act", [overwrite, replace, cut, empty])
def test_one_that_somebody_put_there_is_said_and_no_job_begins(start: Any, folder: Path, act: Callable[[Path], None]) -> None:
    daemon = start(upkeep=False)
    deploy(daemon, 1)
    with closing(sqlite3.connect(folder / "older.db")) as older, closing(sqlite3.connect(folder / daemon_file.FILE)) as now:
        now.backup(older)
    deploy(daemon, 2)
    with closing(sqlite3.connect(folder / daemon_file.FILE)) as other:
        # Somebody else's checkpoint, which changes the file and nothing in it, is no reason to stop.
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    deploy(daemon, 3)
    with closing(sqlite3.connect(folder / daemon_file.FILE)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert daemon.call("rpc.health")["ready"]
    act(folder)
    health = daemon.request("GET", "/health")
    assert (health.status, health.json["ready"]) == (503, False)
    assert health.json["reasons"] == ["nothing can be written down: The daemon's file was replaced"]
    refused = daemon.refused("deploy_vm", name="vm-4", slice_sid="s4", image="tiny", wait=30)
    assert (refused.code, refused.data["diagnostics"][0]["code"]) == (-32003, "daemon-file-replaced")
    assert [vm["name"] for vm in daemon.call("list_vms")] == ["vm-1", "vm-2", "vm-3"]


def test_the_way_out_of_a_replaced_one_is_to_remove_it(start: Any, folder: Path) -> None:
    daemon = start(upkeep=False)
    deploy(daemon, 1)
    (folder / "other").write_bytes(b"not a database")
    (folder / "other").rename(folder / daemon_file.FILE)
    assert not daemon.call("rpc.health")["ready"]
    remove(folder, daemon_file.FILE)
    assert daemon.call("rpc.health")["ready"]
    deploy(daemon, 2)
    daemon.close()
    assert [job["job_id"] for job in start(upkeep=False).call("list_jobs")] == ["j2", "j1"]


def test_the_log_is_moved_into_the_file_now_and_then(start: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_file, "_LOG_BYTES", 16384)
    daemon = start(upkeep=False)
    for number in (1, 2, 3):
        deploy(daemon, number)
        daemon.call("delete_vm", sid=daemon.call("list_vms")[0]["sid"], purge=True, wait=30)
    daemon.service.events.flush()
    assert (folder / f"{daemon_file.FILE}-wal").stat().st_size < 100_000
    with closing(sqlite3.connect(f"file:{folder / daemon_file.FILE}?immutable=1", uri=True)) as moved:
        assert moved.execute("SELECT count(*) FROM jobs").fetchone()[0] >= 4
