"""What an image will take of the disk, before it is fetched."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.hosts import ImageNeed
from herocloud.providers.images import formats, image_needs

MIB = 1024**2


def spec(source: object, form: str | None = None, **more: Any) -> dict[str, Any]:
    return {"source": str(source), "sha256": None, "unpinned": True, "decompress": "none", "format": form, **more}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Make a disk of 64 MiB with 5 MiB of data in three places."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as stream:
        for place, size in ((0, 2), (20, 2), (60, 1)):
            stream.seek(place * MIB)
            stream.write(os.urandom(size * MIB))
        stream.truncate(64 * MIB)
    return path


def convert(raw: Path, *options: str) -> Path:
    if shutil.which("qemu-img") is None:
        pytest.skip("needs qemu-img to make a qcow2 image")
    path = raw.with_name("disk.qcow2")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, str(raw), str(path)], check=True)
    return path


def test_a_raw_file_takes_what_it_has(raw: Path, tmp_path: Path) -> None:
    taken = raw.stat().st_blocks * 512
    assert image_needs.find(tmp_path / "data", [spec(raw)]) == {str(raw): ImageNeed(taken, taken)}


@pytest.mark.parametrize("options", [(), ("-c",), ("-o", "cluster_size=2M"), ("-o", "compat=0.10"), ("-o", "cluster_size=4k")])
def test_the_data_in_a_qcow2_is_counted_as_qemu_writes_it(options: tuple[str, ...], raw: Path, tmp_path: Path) -> None:
    path = convert(raw, *options)
    copied = path.stat().st_blocks * 512
    need = image_needs.find(tmp_path / "data", [spec(path, "qcow2")])[str(path)]
    formats.convert(path, "qcow2", tmp_path / "made.raw", size=64 * MIB)
    assert need.kept == pytest.approx((tmp_path / "made.raw").stat().st_blocks * 512, abs=4 * MIB)
    assert need.kept >= 5 * MIB
    assert need.most == need.kept + copied


def test_nothing_of_the_file_is_changed(raw: Path, tmp_path: Path) -> None:
    path = convert(raw)
    path.chmod(0o600)
    before = path.stat()
    image_needs.find(tmp_path / "data", [spec(path)])
    after = path.stat()
    for name in ("st_mode", "st_uid", "st_gid", "st_ctime_ns"):
        assert getattr(before, name) == getattr(after, name)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"QFI\xfb", b"QFI\xfb" + b"\xff" * 200, b"QFI\xfb\0\0\0\3" + bytes(12) + b"\0\0\0\x10" + b"\xff" * 24 + bytes(90)],
    ids=["empty", "only its first bytes", "all bits set", "tables beyond the end"],
)
def test_a_damaged_file_is_left_to_the_fetch(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)
    need = image_needs.find(tmp_path / "data", [spec(path)]).get(str(path))
    assert need is None or need.most >= 0


def test_what_a_server_has_is_not_known(tmp_path: Path) -> None:
    assert image_needs.find(tmp_path / "data", [spec("https://example.org/a.qcow2"), spec(tmp_path / "missing"), spec("")]) == {}
