"""What a source is unpacked to: the right bytes, as raw, whatever it was packed in; and nothing where it is not what was declared."""

import bz2
import lzma
import shutil
import subprocess

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.images import blocks, decompression, formats

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img (package qemu-utils)")


def pack_zstd(data):
    from backports import zstd

    return zstd.compress(data)


PACKERS = {"zstd": pack_zstd, "xz": lzma.compress, "gzip": None}


def stored(bench):
    (path,) = (bench.folder / "images/store").glob("*.raw")
    return path


def make_qcow2(raw, *options):
    path = raw.with_suffix(".qcow2")
    subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", *options, str(raw), str(path)], check=True)
    return path


def packed(raw, shapes, how):
    path = raw.with_suffix(f".{how}")
    path.write_bytes((PACKERS[how] or shapes.gzip)(raw.read_bytes()))
    return path


@pytest.mark.parametrize("how", PACKERS)
def test_a_packed_image_is_unpacked_with_holes(bench, raw, shapes, how) -> None:
    path = packed(raw, shapes, how)
    bench.image(path, decompress=how, sha256=shapes.sha256(path.read_bytes()))
    assert stored(bench).read_bytes() == raw.read_bytes()
    assert stored(bench).stat().st_blocks * 512 < raw.stat().st_size / 4


@pytest.mark.parametrize("how", PACKERS)
def test_a_packed_image_that_ends_too_early_is_refused(bench, raw, shapes, how) -> None:
    path = packed(raw, shapes, how)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(Permanent, match=f"`decompress: {how}` does not fit the image: it ends too early"):
        bench.image(path, decompress=how)
    assert [name for name in bench.files() if not name.endswith("debian.mark")] == []


@pytest.mark.parametrize("how", PACKERS)
def test_an_image_that_is_not_packed_as_declared_is_refused(bench, raw, how) -> None:
    with pytest.raises(Permanent, match=f"`decompress: {how}` does not fit the image"):
        bench.image(raw, decompress=how)


@pytest.mark.parametrize("how", PACKERS)
def test_a_packed_image_that_is_not_declared_so_names_the_way_out(bench, raw, shapes, how) -> None:
    with pytest.raises(Permanent, match=f"compressed with {how}: write `decompress: {how}`"):
        bench.image(packed(raw, shapes, how))


def test_zstd_without_its_package_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "backports", None)
    monkeypatch.setitem(__import__("sys").modules, "compression", None)
    with pytest.raises(Permanent, match=r"needs the Python package `backports\.zstd`"):
        list(decompression.unpack(tmp_path / "nothing", "zstd", 2**20))


@needs_qemu_img
@pytest.mark.parametrize("options", [(), ("-c",), ("-o", "cluster_size=4k")], ids=["plain", "compressed", "small clusters"])
def test_a_qcow2_is_kept_as_raw(bench, raw, options) -> None:
    bench.image(make_qcow2(raw, *options), format="qcow2")
    assert stored(bench).read_bytes() == raw.read_bytes()
    assert bench.look().images == {str(raw.with_suffix(".qcow2")): raw.stat().st_size}


@needs_qemu_img
def test_a_qcow2_inside_of_zstd_is_both_unpacked_and_converted(bench, raw, tmp_path) -> None:
    path = tmp_path / "disk.qcow2.zst"
    path.write_bytes(pack_zstd(make_qcow2(raw).read_bytes()))
    bench.image(path, format="qcow2", decompress="zstd")
    assert stored(bench).read_bytes() == raw.read_bytes()


@needs_qemu_img
def test_a_format_that_is_not_the_declared_one_is_refused(bench, raw) -> None:
    with pytest.raises(Permanent, match="declared as qcow2 and is no such file"):
        bench.image(raw, format="qcow2")
    with pytest.raises(Permanent, match="declared as raw and is qcow2: write `format: qcow2`"):
        bench.image(make_qcow2(raw), format="raw")


@needs_qemu_img
def test_without_a_declaration_the_content_decides_once(bench, raw) -> None:
    bench.image(make_qcow2(raw), format=None)
    assert stored(bench).read_bytes() == raw.read_bytes()


@needs_qemu_img
def test_a_qcow2_that_would_open_other_files_is_refused(bench, raw, tmp_path) -> None:
    based = tmp_path / "based.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(based)], check=True)
    with pytest.raises(Permanent, match="the image needs another file"):
        bench.image(based, format="qcow2")
    apart = tmp_path / "apart.qcow2"
    (tmp_path / "apart.data").write_bytes(bytes(1024**2))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/apart.data", str(apart), "1M"], check=True)
    with pytest.raises(Permanent, match="keeps its data in another file"):
        bench.image(apart, format="qcow2")


@needs_qemu_img
def test_a_broken_qcow2_is_refused(bench, raw) -> None:
    path = make_qcow2(raw)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(Permanent, match="the image cannot be read"):
        bench.image(path, format="qcow2")


@needs_qemu_img
def test_other_formats_are_named_and_refused(bench, raw) -> None:
    path = raw.with_suffix(".vmdk")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", str(raw), str(path)], check=True)
    with pytest.raises(Permanent, match="is a vmdk file, which is not supported; convert it"):
        bench.image(path)


def test_a_web_page_is_no_image(bench, server) -> None:
    with pytest.raises(Permanent, match="answered with a web page"):
        bench.image(server.put(b"<!DOCTYPE html><title>Log in</title>"), unpinned=True)


def test_an_empty_image_is_refused(bench, tmp_path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(Permanent, match="the image is empty"):
        bench.image(tmp_path / "empty")


def test_a_raw_image_is_filled_up_to_a_whole_sector(bench, tmp_path) -> None:
    (tmp_path / "odd").write_bytes(b"x" * 1000)
    bench.image(tmp_path / "odd")
    assert stored(bench).read_bytes() == b"x" * 1000 + bytes(24)


def test_without_qemu_img_a_qcow2_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Permanent, match="install qemu-utils"):
        formats.virtual_size(tmp_path / "disk", "qcow2")


@pytest.mark.parametrize("source", ["file:///nowhere/disk", "/nowhere/disk"])
def test_a_local_file_that_is_not_there_is_named(bench, source) -> None:
    with pytest.raises(Permanent, match=r"`/nowhere/disk` cannot be read: No such file"):
        bench.image(source)


def test_a_local_file_is_found_by_its_address_too(bench, raw, shapes) -> None:
    spaced = raw.rename(raw.with_name("my disk.raw"))
    bench.image(f"file://{str(spaced).replace(' ', '%20')}", sha256=shapes.sha256(spaced.read_bytes()))
    assert stored(bench).read_bytes() == spaced.read_bytes()


def test_two_stacks_that_ask_for_the_same_image_share_its_content(bench, raw, shapes) -> None:
    body = bench.image(raw, sha256=shapes.sha256(raw.read_bytes()))
    raw.unlink()
    bench.perform("image.fetch", "image.other", "image", None, body, stack="second")
    assert stored(bench)
    assert {stack: list(things) for stack, things in bench.look().things.items()} == {"second": ["image.other"], "shop": ["image.debian"]}


def test_an_image_that_is_only_a_kernel_stores_nothing(bench, tmp_path, shapes) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"kernel")
    body = shapes.image(None, format=None, kernel=str(tmp_path / "vmlinuz"), cmdline="quiet")
    bench.perform("image.fetch", "image.tiny", "image", None, body)
    assert bench.part("image.tiny", "image") == body
    assert bench.look().images == {}
    with pytest.raises(Permanent, match=r"the initramfs `/nowhere` does not exist"):
        bench.perform("image.fetch", "image.tiny", "image", body, {**body, "initramfs": "/nowhere"})


def test_a_fingerprint_depends_on_content_and_not_on_holes(tmp_path, shapes) -> None:
    data = shapes.content()
    whole, holes = tmp_path / "whole", tmp_path / "holes"
    whole.write_bytes(data)
    subprocess.run(["cp", "--sparse=always", str(whole), str(holes)], check=True)
    assert holes.stat().st_blocks < whole.stat().st_blocks
    assert blocks.fingerprint_of(holes) == blocks.fingerprint_of(whole)
    with holes.open("r+b") as stream:
        stream.seek(1_000_003)
        stream.write(b"\x01")
    assert blocks.fingerprint_of(holes) != blocks.fingerprint_of(whole)
    longer = tmp_path / "longer"
    longer.write_bytes(data + bytes(512))
    assert blocks.fingerprint_of(longer) != blocks.fingerprint_of(whole)


def test_an_unknown_packing_is_taken_for_a_raw_disk(bench, raw) -> None:
    """Nobody can tell a raw disk from noise; the checksum is what says that it is the right noise."""
    path = raw.with_suffix(".bz2")
    path.write_bytes(bz2.compress(raw.read_bytes()))
    bench.image(path)
    assert stored(bench).read_bytes().rstrip(b"\0") == path.read_bytes().rstrip(b"\0")
