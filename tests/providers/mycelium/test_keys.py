"""Key files: 0600, made once, refused when others can read them."""

import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from herocloud.model.errors import Refused
from herocloud.providers.mycelium import arithmetic, keys


def _codes(raised: "pytest.ExceptionInfo[Refused]") -> list[str]:
    return [found.code for found in raised.value.diagnostics]


def test_a_key_is_32_bytes_that_only_its_owner_reads(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        public = keys.create(tmp_path, "host")
    finally:
        os.umask(before)
    path = keys.path_of(tmp_path, "host")
    assert (path.stat().st_mode & 0o7777, path.stat().st_size) == (0o600, 32)
    assert path.parent.stat().st_mode & 0o7777 == 0o700
    assert arithmetic.public_key(keys.read_named(tmp_path, "host")) == public


def test_two_keys_are_two_identities(tmp_path: Path) -> None:
    assert keys.create(tmp_path, "host") != keys.create(tmp_path, "shop")


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    keys.create(tmp_path, "host")
    before = keys.read_named(tmp_path, "host")
    with pytest.raises(Refused, match="every address in its /64 would change") as raised:
        keys.create(tmp_path, "host")
    assert _codes(raised) == ["key-exists"]
    assert keys.read_named(tmp_path, "host") == before


def _try(folder: Path) -> bool:
    try:
        keys.create(folder, "host")
    except Refused:
        return False
    return True


def test_of_many_who_make_one_key_at_once_one_makes_it(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert sum(pool.map(_try, [tmp_path] * 8)) == 1


def test_a_missing_key_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(Refused) as raised:
        keys.read_named(tmp_path, "shop.web-0")
    assert [found.hint for found in raised.value.diagnostics] == ["run `herocloud mycelium key create shop.web-0`"]


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666])
def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(32))
    path.chmod(mode)
    with pytest.raises(Refused, match="by every user") as raised:
        keys.read_file(path)
    assert raised.value.diagnostics[0].hint == f"run `chmod 600 {path}`"


def test_the_mode_that_the_daemon_itself_gives_its_key_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o640)
    assert keys.read_file(path) == b"k" * 32


@pytest.mark.parametrize("size", [0, 31, 33, 5000])
def test_a_file_of_another_size_is_not_a_key(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(Refused, match="a key has 32"):
        keys.read_file(path)


def test_a_folder_a_pipe_and_nothing_are_not_keys(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(Refused) as raised:
            keys.read_file(path)
        assert _codes(raised) == ["key-unreadable"]


@pytest.mark.parametrize("name", ["", "../host", "a/b", ".hidden", "Host", "a" * 200, "x\n", "-x"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as raised:
        keys.create(tmp_path, name)
    assert _codes(raised) == ["key-name"]
    assert not (tmp_path / "mycelium").exists()


def test_a_key_in_the_environment_stands_in_hexadecimal() -> None:
    assert keys.read_environment("KEY", {"KEY": "ab" * 32 + "\n"}) == b"\xab" * 32
    for environment, words in (({}, "is not set"), ({"KEY": "ab" * 31}, "64 hexadecimal"), ({"KEY": "secret!"}, "64 hexadecimal")):
        with pytest.raises(Refused, match=words) as raised:
            keys.read_environment("KEY", environment)
        assert "secret!" not in str(raised.value), "what may be a secret is not repeated"


def test_the_folders_of_keys_are_closed_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys.create(tmp_path / "data", "host")
    finally:
        os.umask(before)
    folders = [tmp_path / "data/mycelium/keys", tmp_path / "data/mycelium", tmp_path / "data"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3
