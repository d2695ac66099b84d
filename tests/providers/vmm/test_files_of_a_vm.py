"""Where the files of a VM are: paths that fit into a socket's name, volumes by their mark, logs that stay small."""

import os
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import files, folders, huge_pages


def test_sockets_have_short_names_however_deep_the_data_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*["very-long-name"] * 12)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for path in (folders.agent_socket(deep, "v1"), folders.console_socket(deep, "v1"), folders.control_socket(deep, "v1", "qmp.sock")):
        assert len(os.fsencode(path)) <= folders.LONGEST
        assert path.is_relative_to("/run/herocloud")


def test_two_data_folders_do_not_share_sockets(tmp_path: Path) -> None:
    assert folders.agent_socket(tmp_path / "a", "v1") != folders.agent_socket(tmp_path / "b", "v1")
    assert folders.agent_socket(tmp_path / "a", "v1") == folders.agent_socket(tmp_path / "b" / ".." / "a", "v1")


def test_a_user_has_sockets_in_the_folder_of_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert folders.runtime_root(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path)}).parent == tmp_path / "herocloud"
    assert folders.runtime_root(tmp_path, {"XDG_RUNTIME_DIR": str(tmp_path / "gone")}).parent.name == "herocloud-1000"


def test_a_session_folder_that_is_too_deep_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(Permanent, match="set `XDG_RUNTIME_DIR` to a shorter folder"):
        folders.agent_socket(tmp_path, "v1")


def test_a_log_that_grew_too_large_is_cut_and_its_end_kept(tmp_path: Path) -> None:
    log = tmp_path / "serial.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 600 + b"b" * 500)
        assert not files.cut_log(log, 2000)
        assert files.cut_log(log, 1000)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert log.with_name("serial.log.1").read_bytes() == b"a" * 500 + b"b" * 500
    assert not files.cut_log(tmp_path / "nothing")


def test_the_folder_of_the_sockets_goes_with_the_last_vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "base", lambda _environment=None: tmp_path / "run" / "herocloud")
    one, other = (folders.make_runtime_folder(tmp_path, sid) for sid in ("v1", "v2"))
    assert one.stat().st_mode & 0o777 == 0o700
    folders.remove_runtime_folder(tmp_path, "v1")
    assert other.exists()
    folders.remove_runtime_folder(tmp_path, "v2")
    assert not one.parent.exists()
    folders.remove_runtime_folder(tmp_path, "v2")


def test_a_log_that_may_not_be_written_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "serial.log"
    log.write_bytes(b"a" * 100)
    log.with_name("serial.log.1").mkdir()
    assert not files.cut_log(log, 10)
    assert log.read_bytes() == b"a" * 100


def test_huge_pages_are_counted_before_anything_starts(tmp_path: Path) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 1 kB\nHugePages_Free:      64\nHugepagesize:       2048 kB\n")
    huge_pages.require(128 * 1024**2, memory)
    with pytest.raises(Permanent, match=r"130 MiB .* takes 65 of them, and 64 are free"):
        huge_pages.require(130 * 1024**2, memory)
    memory.write_text("MemTotal: 1 kB\nHugePages_Free:      64\nHugePages_Rsvd:        4\nHugepagesize:       2048 kB\n")
    with pytest.raises(Permanent, match=r"122 MiB .* takes 61 of them, and 60 are free"):
        huge_pages.require(122 * 1024**2, memory)
    memory.write_text("MemTotal: 1 kB\n")
    with pytest.raises(Permanent, match="0 are free"):
        huge_pages.require(1, memory)


def test_what_a_plan_counts_for_a_vm_holds_its_logs_and_a_seed() -> None:
    from herocloud.providers.seam import SEED_AND_LOGS

    assert SEED_AND_LOGS >= 2 * files.LOG_LIMIT + 1024**2


def test_a_vm_that_ends_does_not_take_the_folder_away_from_one_that_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "base", lambda _environment=None: tmp_path / "run" / "herocloud")
    folders.make_runtime_folder(tmp_path, "v1")
    wanted, make = folders.runtime_folder(tmp_path, "v2"), Path.mkdir
    ended: list[str] = []

    def mkdir(path: Path, *arguments: object, **options: object) -> None:
        if path == wanted and not ended:
            ended.append("v1")
            folders.remove_runtime_folder(tmp_path, "v1")
        make(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert folders.make_runtime_folder(tmp_path, "v2").is_dir()
    assert ended


def test_a_folder_that_somebody_keeps_removing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "base", lambda _environment=None: tmp_path / "run" / "herocloud")
    wanted, make = folders.runtime_folder(tmp_path, "v1"), Path.mkdir

    def mkdir(path: Path, *arguments: object, **options: object) -> None:
        if path == wanted:
            wanted.parent.rmdir()
        make(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(Permanent, match="somebody keeps removing"):
        folders.make_runtime_folder(tmp_path, "v1")
