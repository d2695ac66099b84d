"""Archives: what goes in comes out with its holes, GNU tar reads them, and nothing hostile gets through."""

import contextlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from herocloud.kits import sparse_archives
from herocloud.kits.sparse_archives import Archive, BadArchive, Limits

ROOMY = Limits(64 * 1024**3, 200)
MIB = 1024**2


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as stream:
        stream.truncate(64 * MIB)
        for place, text in ((0, b"first"), (20 * MIB, b"middle" * 9000), (64 * MIB - 4, b"last")):
            stream.seek(place)
            stream.write(text)
    return path


@pytest.fixture
def archive(tmp_path: Path, disk: Path) -> Path:
    path = tmp_path / "vm.tar"
    sparse_archives.write(path, [("manifest.json", b'{"a":1}'), ("disk.raw", disk)])
    return path


def test_what_goes_in_comes_out_with_its_holes(tmp_path, disk, archive) -> None:
    opened = Archive(archive, ROOMY)
    assert opened.check_text("manifest.json") == b'{"a":1}'
    opened.unpack("disk.raw", tmp_path / "out.raw")
    opened.close()
    assert (tmp_path / "out.raw").read_bytes() == disk.read_bytes()
    assert (tmp_path / "out.raw").stat().st_blocks * 512 < MIB
    assert archive.stat().st_size < MIB


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
def test_gnu_tar_unpacks_it(tmp_path, disk, archive) -> None:
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tmp_path / "out")], check=True)
    assert (tmp_path / "out" / "disk.raw").read_bytes() == disk.read_bytes()


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
@pytest.mark.parametrize("data", [b"", b"first"], ids=["holes alone", "a hole at the end"])
def test_gnu_tar_unpacks_a_hole_at_the_end(data: bytes, tmp_path: Path) -> None:
    disk, archive = tmp_path / "disk.raw", tmp_path / "vm.tar"
    with disk.open("wb") as stream:
        stream.write(data)
        stream.truncate(32 * MIB)
    sparse_archives.write(archive, [("disk.raw", disk)])
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tmp_path / "out")], check=True)
    (found,) = (one for one in (tmp_path / "out").rglob("*") if one.is_file() and one.stat().st_size > MIB)
    assert found.read_bytes() == disk.read_bytes()
    opened = Archive(archive, ROOMY)
    opened.unpack("disk.raw", tmp_path / "again.raw")
    opened.close()
    assert (tmp_path / "again.raw").read_bytes() == disk.read_bytes()


def test_a_file_that_is_there_is_not_replaced(tmp_path, disk, archive) -> None:
    before = archive.read_bytes()
    with pytest.raises(FileExistsError):
        sparse_archives.write(archive, [("disk.raw", disk)])
    assert archive.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_failure_leaves_neither_the_archive_nor_a_draft(tmp_path, disk) -> None:
    def fail(_bytes: int) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        sparse_archives.write(tmp_path / "vm.tar", [("disk.raw", disk)], fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.raw"]


def test_every_flipped_byte_of_the_data_is_found(tmp_path, archive) -> None:
    content = bytearray(archive.read_bytes())
    place = content.index(b"middle")
    content[place] ^= 1
    archive.write_bytes(content)
    opened = Archive(archive, ROOMY)
    with pytest.raises(BadArchive, match="damaged"):
        opened.unpack("disk.raw", tmp_path / "out.raw")
    opened.close()
    assert not (tmp_path / "out.raw").exists()


def test_an_archive_cut_off_anywhere_is_refused(tmp_path, archive) -> None:
    content = archive.read_bytes()
    for length in (0, 1, 511, 512, 1024, 2048, len(content) // 2, len(content) - 4096):
        (tmp_path / "cut.tar").write_bytes(content[:length])
        with pytest.raises(BadArchive):
            Archive(tmp_path / "cut.tar", ROOMY)


def test_flipping_any_byte_of_the_headers_gives_an_error_and_never_a_traceback(tmp_path, archive) -> None:
    content = archive.read_bytes()
    for place in range(0, 6 * 512, 7):
        changed = bytearray(content)
        changed[place] ^= 0x55
        (tmp_path / "bad.tar").write_bytes(changed)
        with contextlib.suppress(BadArchive), contextlib.closing(Archive(tmp_path / "bad.tar", ROOMY)) as opened:
            opened.check_text("manifest.json")


def _tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as stream:
        for info, content in members:
            info.size = len(content)
            stream.addfile(info, io.BytesIO(content))
    return path


def _sparse(name: str, real: int, body: bytes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo("x")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(real)}
    return info, body


def _link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("disk.raw")
    info.type, info.linkname = kind, "/etc/shadow"
    info.pax_headers = {"GNU.sparse.name": "disk.raw"}
    return info


_EMPTY = b"0\n" + bytes(510)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (_sparse("../../etc/passwd", 0, _EMPTY), "lead out"),
        (_sparse("/etc/passwd", 0, _EMPTY), "lead out"),
        (_sparse("..", 0, _EMPTY), "lead out"),
        (_sparse("a\0b", 0, _EMPTY), "lead out"),
        ((_link(tarfile.SYMTYPE), b""), "links"),
        ((_link(tarfile.LNKTYPE), b""), "links"),
        ((_link(tarfile.DIRTYPE), b""), "links"),
        ((_link(tarfile.CHRTYPE), b""), "links"),
        ((tarfile.TarInfo("plain.txt"), b"text"), "links|not an archive"),
        (_sparse("disk.raw", 10, b"1\n0\n99999\n" + bytes(502)), "map"),
        (_sparse("disk.raw", 10, b"2\n5\n1\n0\n1\n" + bytes(501) + b"ab"), "map"),
        (_sparse("disk.raw", 10, b"99999999999\n" + bytes(500)), "map"),
        (_sparse("disk.raw", 10, b"-1\n" + bytes(509)), "number"),
        (_sparse("disk.raw", 10, bytes(512)), "map|number"),
    ],
)
def test_what_is_hostile_is_refused_before_anything_is_written(tmp_path, member, why) -> None:
    path = _tar(tmp_path / "bad.tar", member)
    with pytest.raises(BadArchive, match=why):
        Archive(path, ROOMY)


def _with_sums(path: Path, real: int) -> Path:
    return _tar(path, _sparse("disk.raw", real, _EMPTY), _sparse("checksums.json", 2, b"1\n0\n2\n" + bytes(506) + b"{}"))


def test_disks_larger_than_allowed_are_refused(tmp_path) -> None:
    with pytest.raises(BadArchive, match="are allowed"):
        Archive(_with_sums(tmp_path / "bad.tar", 2**62), ROOMY)
    with pytest.raises(BadArchive, match="times as much"):
        Archive(_with_sums(tmp_path / "bad2.tar", 10 * 1024**3), Limits(2**63, 5))


def test_a_member_that_is_there_twice_is_refused(tmp_path, disk) -> None:
    path = tmp_path / "twice.tar"
    sparse_archives.write(path, [("disk.raw", disk), ("disk.raw", disk)])
    with pytest.raises(BadArchive, match="twice"):
        Archive(path, ROOMY)


def test_a_link_at_the_target_is_not_followed(tmp_path, archive) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.raw").symlink_to(victim)
    opened = Archive(archive, ROOMY)
    with pytest.raises(FileExistsError):
        opened.unpack("disk.raw", tmp_path / "out.raw")
    opened.close()
    assert victim.read_text() == "precious"
