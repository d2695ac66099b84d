"""What can be judged of a Debian image without building one: places, numbers, recipes, and what is said when something is missing."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import durable_files
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.images.builds import debian, debian_bootloader, debian_disks, debian_programs, debian_roots

MIB = 1024**2


def test_the_partitions_follow_each_other_and_the_root_comes_last() -> None:
    layout = debian_disks.lay_out(2 * 1024**3)
    assert layout.bios.start + layout.bios.size <= layout.esp.start
    assert layout.esp.start + layout.esp.size <= layout.root.start
    assert layout.root.start + layout.root.size == layout.size - MIB
    assert all(area.start % MIB == 0 for area in (layout.bios, layout.esp, layout.root))


def test_the_first_sector_loads_the_core_image_and_that_the_rest_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, disk, core, tree = debian_disks.lay_out(64 * MIB), tmp_path / "disk", tmp_path / "core", tmp_path / "tree"
    disk.write_bytes(bytes(440) + b"the table" + bytes(64 * MIB - 449))
    core.write_bytes(b"c" * 1536)
    (tree / "usr/lib/grub/i386-pc").mkdir(parents=True)
    (tree / "usr/lib/grub/i386-pc/boot.img").write_bytes(b"b" * 512)
    monkeypatch.setattr(debian_bootloader, "_make_image", lambda *_: core)
    debian_bootloader.write_bios(tree, tmp_path, disk, layout)
    written = disk.read_bytes()
    first = layout.bios.start // 512
    assert struct.unpack_from("<Q", written, 0x5C) == (first,)
    assert written[440:449] == b"the table"
    assert written[layout.bios.start :][:8] == b"c" * 8
    assert struct.unpack_from("<Q", written, layout.bios.start + 500) == (first + 1,)


def test_a_core_image_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "core"
    core.write_bytes(bytes(2 * MIB))
    monkeypatch.setattr(debian_bootloader, "_make_image", lambda *_: core)
    with pytest.raises(Permanent, match="its partition has room for 1048576"):
        debian_bootloader.write_bios(tmp_path, tmp_path, tmp_path / "disk", debian_disks.lay_out(64 * MIB))


def test_ids_follow_from_the_content() -> None:
    assert debian_disks.identify("a", "root") == debian_disks.identify("a", "root")
    assert len({debian_disks.identify(one, what) for one in ("a", "b") for what in ("root", "disk")}) == 4


def test_all_that_is_missing_is_named_at_once_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(debian_programs, "path", lambda: str(tmp_path))
    with pytest.raises(Permanent, match="`mmdebstrap`, `mformat`, `mcopy`: run `apt-get install mmdebstrap mtools` as root"):
        debian_programs.need(debian_programs.BOOTSTRAP, debian_programs.FORMAT, debian_programs.COPY)


def test_folders_for_programs_of_the_system_are_looked_into_though_a_user_s_path_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert debian_programs.path() == "/usr/bin:/usr/sbin:/sbin"


def test_the_archive_s_mirror_is_the_one_of_this_machine_and_other_vendors_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "http://near/debian/\tbookworm\tmain\tDebian\n"
        "http://near/debian/\tbookworm\tcontrib\tDebian\n"
        "http://near/security/\tbookworm-security\tmain\tDebian\n"
        "http://vendor/\tbookworm\tmain\tVendor\n"
        "http://near/debian/\ttrixie\tmain\tDebian\n"
    )
    monkeypatch.setattr(debian_roots.subprocesses, "run", lambda *_, **__: debian_roots.subprocesses.Ran(said, ""))
    assert debian_roots.sources("bookworm") == [
        "deb http://near/debian/ bookworm main contrib",
        "deb http://near/security/ bookworm-security main",
    ]
    assert debian_roots.sources("forky") == []


def put(folder: Path, recipe: str = "r") -> dict[str, Any]:
    """Put something into a folder that looks like a whole image."""
    for name in (debian.DISK, debian.KERNEL, debian.INITRAMFS):
        (folder / name).write_bytes(name.encode())
    sizes = {name: len(name) for name in (debian.DISK, debian.KERNEL, debian.INITRAMFS)}
    said = {"recipe": recipe, "release": "bookworm", "sha256": "5", "tree": "7", "sizes": sizes}
    (folder / debian.DESCRIPTION).write_text(json.dumps(said), encoding="utf-8")
    return said


def test_an_image_is_taken_again_only_when_it_is_whole_and_of_this_recipe(tmp_path: Path) -> None:
    assert debian.find(tmp_path) is None
    put(tmp_path)
    assert debian.find(tmp_path, "r") == debian.find(tmp_path)
    assert debian.find(tmp_path, "another") is None
    (tmp_path / debian.DISK).write_bytes(b"cut")
    assert debian.find(tmp_path) is None


def test_recipes_differ_when_anything_in_them_does() -> None:
    first = debian.recipe("bookworm")
    longer = first._replace(packages=(*first.packages, "vim"))
    other = first._replace(files=(*first.files, debian.archives.file("etc/motd", b"hello")))
    assert len({debian._digest(one) for one in (first, longer, other, debian.recipe("trixie"))}) == 4


def test_what_a_killed_build_left_is_swept_and_a_whole_image_survives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.packages, "architecture", lambda: "amd64")
    put(tmp_path, debian._digest(debian.recipe("bookworm")))
    (tmp_path / ".debian-building" / "tree" / "etc").mkdir(parents=True)
    assert debian.build(tmp_path).sha256 == "5"
    assert not (tmp_path / ".debian-building").exists()


def test_a_build_that_fails_leaves_the_image_before_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Permanent("no mirror")

    monkeypatch.setattr(debian.packages, "architecture", lambda: "amd64")
    monkeypatch.setattr(debian.programs, "need", lambda *_: None)
    monkeypatch.setattr(debian.debian_bootloader, "prepare", refuse)
    put(tmp_path)
    with pytest.raises(Permanent, match="no mirror"):
        debian.build(tmp_path, again=True)
    assert debian.find(tmp_path) is not None
    assert not (tmp_path / ".debian-building").exists()


def test_two_builds_in_one_folder_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.packages, "architecture", lambda: "amd64")
    with durable_files.flock(tmp_path / ".debian.lock", blocking=True), pytest.raises(Temporary, match="another process"):
        debian.build(tmp_path)


def test_other_architectures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian.packages, "architecture", lambda: "arm64")
    with pytest.raises(Permanent, match="amd64 only"):
        debian.build(tmp_path)
