"""Data that a machine has open is not taken away from under it, whatever order a plan has."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.model.errors import Conflict
from herocloud.providers.images import open_files

HOLD = "import sys; file = open(sys.argv[1], sys.argv[2]); print('open', flush=True); sys.stdin.read()"


@contextlib.contextmanager
def held(path: Path, mode: str) -> Iterator[int]:
    """Have another process keep a file open."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.communicate(b"")


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "PATIENCE", 0.0)


@pytest.fixture(params=["volume", "disk"])
def made(bench, request):
    """Make a volume or a root disk; gives its path, and the step that removes it."""
    if request.param == "volume":
        body = bench.volume()
        return bench.folder / body["path"], ("volume.delete", "volume.data", "volume", body, None)
    body = bench.disk(None)
    return bench.folder / body["path"], ("disk.delete", "vm.web", "disk", body, None)


@pytest.mark.parametrize("purge", [False, True], ids=["kept", "purged"])
def test_what_a_machine_writes_to_is_not_removed(bench, made, purge) -> None:
    path, removal = made
    before = bench.snapshot()
    with held(path, "r+b") as pid:
        with pytest.raises(Conflict, match=rf"Device or resource busy: the {removal[2]} of `{removal[1]}` is in use by process {pid} "):
            bench.perform(*removal, purge=purge)
        assert bench.snapshot() == before
    bench.perform(*removal, purge=purge)
    assert not path.exists()


def test_making_it_is_not_taken_back_either(bench, made) -> None:
    path, (kind, address, part, body, _) = made
    with held(path, "r+b"), pytest.raises(Conflict, match="is in use by process"):
        bench.undo(kind.replace("delete", "create"), address, part, None, body)
    assert path.exists()


def test_another_disk_is_not_put_in_its_place(bench, made) -> None:
    path, (kind, address, part, body, _) = made
    copy = bench.folder / "vms/v1/snapshots/s1/disk.raw"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(bytes(body["size"]))
    step, origin = (kind.replace("delete", "restore"), address, part, body, body), {"path": "vms/v1/snapshots/s1/disk.raw", "token": "t"}
    before = bench.snapshot()
    with held(path, "r+b"):
        with pytest.raises(Conflict, match="is in use by process"):
            bench.perform(*step, origin=origin)
        assert bench.snapshot() == before
    bench.perform(*step, origin=origin)


def test_a_machine_that_only_reads_keeps_it_too(bench, made, monkeypatch) -> None:
    path, removal = made
    names = {}
    with held(path, "rb") as pid:
        names[pid] = "cloud-hyperviso"
        monkeypatch.setattr(open_files, "_name_of", lambda one: names.get(one, ""))
        with pytest.raises(Conflict, match=r"\(`cloud-hyperviso`\)"):
            bench.perform(*removal)


def test_a_backup_that_reads_it_keeps_nobody_from_removing_it(bench, made) -> None:
    path, removal = made
    with held(path, "rb"):
        bench.perform(*removal)
    assert not path.exists()


def test_a_machine_that_is_about_to_close_it_is_waited_for(bench, made, monkeypatch) -> None:
    path, removal = made
    monkeypatch.setattr(open_files, "PATIENCE", 60.0)
    with contextlib.ExitStack() as stack:
        stack.enter_context(held(path, "r+b"))
        monkeypatch.setattr(open_files.time, "sleep", lambda _seconds: stack.close())
        bench.perform(*removal)
    assert not path.exists()
