"""A key that somebody else owns, can write or can exchange is refused wherever it is read, with owner, mode and the way out."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from herocloud.kits import jsons
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Permanent, Refused
from herocloud.providers import guest_keys
from herocloud.providers.mycelium import arithmetic, keyring, keys

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
ROOT = [pytest.mark.root, needs_root]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that others may enter: those that pytest makes are closed to them."""
    with tempfile.TemporaryDirectory(prefix="herocloud-keys-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def _own(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


def _let_group_write(path: Path) -> None:
    os.chown(path, 0, STRANGER)
    path.chmod(0o770 if path.is_dir() else 0o660)


def _let_all_write(path: Path) -> None:
    path.chmod(0o777)


def _replace_by_link(path: Path) -> None:
    """Have the folder hold a link that others may exchange, to a key that is closed."""
    key = path / "host.key"
    hidden = path.parent / "hidden"
    hidden.mkdir(mode=0o700)
    key.rename(hidden / "key")
    key.symlink_to(hidden / "key")
    path.chmod(0o777)


TAMPERS = [
    pytest.param("host.key", _own, "key-of-others", "belongs to user 12345", "chown", id="owned", marks=ROOT),
    pytest.param("host.key", _let_group_write, "key-of-others", "group 12345 may write", "chmod go-w", id="written by a group", marks=ROOT),
    pytest.param(".", _own, "key-of-others", "belongs to user 12345", "chown", id="in a folder of somebody", marks=ROOT),
    pytest.param(".", _let_group_write, "key-of-others", "group 12345 may write", "chmod go-w", id="in a folder of a group", marks=ROOT),
    pytest.param(".", _let_all_write, "key-of-others", "everybody may write", "chmod go-w", id="in an open folder"),
    pytest.param(".", _replace_by_link, "key-of-others", "everybody may write", "chmod go-w", id="behind a link in an open folder"),
]


def _make(folder: Path) -> Path:
    """Make the key `host` in a data folder, which lies in a folder that others may enter."""
    data = folder / "data"
    keys.create(data, "host")
    for path in (data, data / "mycelium", data / "mycelium/keys"):
        path.chmod(0o755)
    return data


def _refusal(data: Path) -> Diagnostic:
    with pytest.raises(Refused) as raised:
        keys.read_file(keys.path_of(data, "host"))
    (found,) = raised.value.diagnostics
    return found


@pytest.mark.parametrize(("place", "tamper", "code", "words", "way"), TAMPERS)
def test_a_key_of_others_is_refused_with_owner_mode_and_way_out(
    folder: Path, place: str, tamper: Callable[[Path], None], code: str, words: str, way: str
) -> None:
    data = _make(folder)
    path = data / "mycelium/keys" / place
    keys.read_file(keys.path_of(data, "host"))
    tamper(path)
    found = _refusal(data)
    assert (found.code, words in found.detail, way in (found.hint or "")) == (code, True, True), found
    assert "mode 06" in found.detail
    assert "belongs to user" in found.detail


@pytest.mark.parametrize(("place", "tamper", "code", "words", "way"), TAMPERS)
def test_a_plan_and_the_seed_of_a_guest_refuse_it_too(
    folder: Path, place: str, tamper: Callable[[Path], None], code: str, words: str, way: str
) -> None:
    data = _make(folder)
    key = {"name": "host", "public": arithmetic.public_key(keys.read_named(data, "host"))}
    assert guest_keys.read(data, "vm.web", key)
    tamper(data / "mycelium/keys" / place)
    found = keyring.look_up(data, [{"name": "host"}], {})[jsons.dumps({"name": "host"})]
    assert (found.public, words in (found.problem or ""), way in (found.hint or "")) == (None, True, True), code
    with pytest.raises(Permanent, match=words):
        guest_keys.read(data, "vm.web", key)


@pytest.mark.root
@needs_root
def test_a_key_that_an_environment_variable_left_is_refused_when_others_own_it(folder: Path) -> None:
    data = _make(folder)
    kept = data / "mycelium/node/environment-KEY.key"
    kept.parent.mkdir(mode=0o700)
    kept.write_bytes(bytes(32))
    kept.chmod(0o600)
    _own(kept)
    found = keyring.look_up(data, [{"env": "KEY"}], {})[jsons.dumps({"env": "KEY"})]
    assert "belongs to user 12345 (mode 0600)" in (found.problem or "")


def test_a_key_in_a_sticky_folder_or_below_a_closed_one_is_taken(folder: Path) -> None:
    data = _make(folder)
    (data / "mycelium/keys").chmod(0o1777)
    keys.read_named(data, "host")
    (data / "mycelium/keys").chmod(0o777)
    data.chmod(0o700)
    keys.read_named(data, "host")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bytes(31), "the file is cut off"),
        (b"", "the file is empty"),
        (b"k" * 32 + b"\n", "ends with a line break"),
        (b"ab" * 32 + b"\n", "64 hexadecimal digits"),
        (bytes(33), "more than that"),
    ],
)
def test_a_key_of_another_size_says_what_is_expected_and_what_was_found(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Refused, match=f"holds {len(content)} bytes, and a key has 32") as raised:
        keys.read_file(path)
    hint = raised.value.diagnostics[0].hint or ""
    assert "exactly 32 raw bytes" in hint
    assert found in hint
