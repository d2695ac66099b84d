"""Durable files and locks: a reader sees the old file or the whole new one, and a lock ends with its process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.kits import durable_files, faults


def test_a_written_file_is_private_unless_asked_otherwise(tmp_path: Path) -> None:
    durable_files.write_durably(tmp_path / "secret", b"x")
    durable_files.write_durably(tmp_path / "public", b"x", mode=0o644)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "plan"
    durable_files.write_durably(target, b"old and long")
    durable_files.write_durably(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in target.parent.iterdir()] == ["plan"]


def test_a_folder_in_the_place_of_a_file_is_named_itself_and_not_the_draft(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        durable_files.write_durably(tmp_path / "plan", b"new", draft=tmp_path / ".plan.new")
    assert refused.value.filename == str(tmp_path / "plan")
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("point", ["file.open", "file.fsync", "file.rename"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    target = tmp_path / "plan"
    durable_files.write_durably(target, b"old")
    monkeypatch.setattr(faults, "_rules", {point: (1, "enospc")})
    monkeypatch.setattr(faults, "_counts", {})
    with pytest.raises(OSError, match="injected"):
        durable_files.write_durably(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("point", ["file.open", "file.fsync", "file.rename"])
def test_a_process_that_is_killed_while_writing_leaves_the_old_file(tmp_path: Path, point: str) -> None:
    target = tmp_path / "plan"
    durable_files.write_durably(target, b"old")
    write = "import sys, pathlib; from herocloud.kits import durable_files as files; files.write_durably(pathlib.Path(sys.argv[1]), b'new')"
    environment = {**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"}
    ended = subprocess.run([sys.executable, "-c", write, str(target)], env=environment, check=False)
    assert ended.returncode == -9
    assert target.read_bytes() == b"old"


def test_a_lock_is_held_once_and_free_again_afterwards(tmp_path: Path) -> None:
    with durable_files.flock(tmp_path / "lock", blocking=False) as first, durable_files.flock(tmp_path / "lock", blocking=False) as second:
        assert (first, second) == (True, False)
    with durable_files.flock(tmp_path / "lock", blocking=False) as third:
        assert third


def test_a_lock_is_not_inherited_by_programs_that_are_started(tmp_path: Path) -> None:
    with durable_files.flock(tmp_path / "lock", blocking=False):
        listed = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True)
    assert str(tmp_path / "lock") not in listed.stdout


def test_a_place_that_a_user_names_is_written_through_when_it_is_no_plain_file(tmp_path) -> None:
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    durable_files.write_where_named(pipe, b"through")
    reader.join(10)
    assert got == [b"through"]
    assert pipe.is_fifo()


def test_a_link_that_a_user_names_stays_a_link(tmp_path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    durable_files.write_where_named(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_folder_that_is_not_there_is_not_made_for_a_user(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        durable_files.write_where_named(tmp_path / "typo" / "plan", b"x")
    assert not (tmp_path / "typo").exists()


def test_a_link_that_somebody_made_under_the_name_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (f".plan.{os.getpid()}.new", ".plan.new"):
        (tmp_path / name).symlink_to(victim)
    durable_files.write_durably(tmp_path / "plan", b"new")
    durable_files.write_durably(tmp_path / "plan", b"new", draft=tmp_path / ".plan.new")
    durable_files.write_where_named(tmp_path / "plan", b"new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "plan").read_text() == "new"
