"""The host file on disk, and what is kept of it between commands."""

import json
import os
import stat
import subprocess
import sys

import pytest

from herocloud.host import hostfile, hostfile_reader
from herocloud.providers.qemu import kvm_memory

TEXT = "name: node1\nsimulated: {memory: 32 GiB}\nsettings: {parallelism: 3}\n"


@pytest.fixture
def written(folder):
    (folder / hostfile.FILE).write_text(TEXT)
    return folder


def test_without_a_file_there_is_nothing_to_say(folder) -> None:
    assert hostfile.read_host_file(folder) == (None, ())
    assert hostfile.read_host_file(folder / "not" / "there") == (None, ())


def test_the_file_is_read(written) -> None:
    found, wrong = hostfile.read_host_file(written)
    assert wrong == ()
    assert found.simulated
    assert found.settings() == {"parallelism": "3"}


def test_what_came_out_is_kept_apart_from_the_data(written, cache_folder) -> None:
    before = sorted(written.iterdir())
    hostfile.read_host_file(written)
    assert sorted(written.iterdir()) == before
    assert [path.name for path in cache_folder.iterdir()] == [hostfile._cache(written).name]


def test_folders_of_caches_are_closed_to_others_whatever_the_umask(written, cache_folder, monkeypatch) -> None:
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(cache_folder / "below"))
    before = os.umask(0)
    try:
        hostfile.read_host_file(written)
        kvm_memory.note_failure(sys.executable, "vm.web", "crashed")
    finally:
        os.umask(before)
    assert kvm_memory.guests_file(sys.executable).exists()
    folders = [cache_folder, *(path for path in cache_folder.rglob("*") if path.is_dir())]
    assert [path.name for path in folders if stat.S_IMODE(path.stat().st_mode) != 0o700] == []
    assert len(folders) == 3


def test_folders_do_not_share_what_is_kept(written, tmp_path) -> None:
    assert hostfile._cache(written) != hostfile._cache(tmp_path / "another")


def test_what_is_kept_spares_the_yaml_library(written, monkeypatch) -> None:
    first = hostfile.read_host_file(written)
    monkeypatch.setattr(hostfile_reader, "parse", lambda *_: pytest.fail("the file was parsed again"))
    assert hostfile.read_host_file(written) == first


def test_a_changed_file_is_read_again(written) -> None:
    hostfile.read_host_file(written)
    (written / hostfile.FILE).write_text("name: node2\n")
    found, _ = hostfile.read_host_file(written)
    assert found.values == {"name": "node2"}
    assert not found.simulated


@pytest.mark.parametrize("content", ["", "{", "[]", '{"form": 0}', json.dumps({"form": 1, "text": TEXT})])
def test_what_is_kept_wrongly_is_made_again(written, content) -> None:
    hostfile._cache(written).parent.mkdir()
    hostfile._cache(written).write_text(content)
    found, _ = hostfile.read_host_file(written)
    assert found.values["name"] == "node1"


def test_a_folder_that_cannot_keep_anything_is_no_trouble(written, cache_folder) -> None:
    cache_folder.write_text("in the way")
    assert hostfile.read_host_file(written)[0] is not None


def test_mistakes_are_not_kept(written) -> None:
    (written / hostfile.FILE).write_text("nam: x\n")
    for _ in range(2):
        found, wrong = hostfile.read_host_file(written)
        assert found is None
        assert [one.code for one in wrong] == ["unknown-key"]
        assert wrong[0].place.file == str(written / hostfile.FILE)


@pytest.mark.parametrize("content", [b"name: \xff\xfe", b"# " + b"x" * 300_000], ids=["not a text", "too long"])
def test_a_file_that_is_no_host_file_is_refused(folder, content) -> None:
    (folder / hostfile.FILE).write_bytes(content)
    found, wrong = hostfile.read_host_file(folder)
    assert (found, [one.code for one in wrong]) == (None, ["file-unreadable"])


def test_a_folder_in_its_place_is_refused(folder) -> None:
    (folder / hostfile.FILE).mkdir()
    assert [one.code for one in hostfile.read_host_file(folder)[1]] == ["file-unreadable"]


HEAVY = """
import sys
from pathlib import Path
from herocloud.host import machine
assert machine.make_host(Path(sys.argv[1]), 0).host is not None
print(*{name.partition(".")[0] for name in sys.modules} & {"ruamel", "yaml", "psutil", "pydantic", "subprocess", "difflib"})
"""


def test_nothing_heavy_is_loaded_without_a_host_file_or_with_one_that_is_kept(folder) -> None:
    def loaded() -> list[str]:
        return subprocess.run([sys.executable, "-c", HEAVY, folder], capture_output=True, text=True, check=True).stdout.split()

    assert loaded() == []
    (folder / hostfile.FILE).write_text(TEXT)
    (folder / "state.db").touch()
    assert "yaml" in loaded()
    assert loaded() == []
