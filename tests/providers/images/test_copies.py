"""Copies share blocks where the file system can, keep holes where it cannot, and are the same to the last byte either way."""

import contextlib
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.model.errors import Temporary
from herocloud.providers.images import copies
from herocloud.providers.images.blocks import SparseWriter

MIB = 1024**2


def sparse_file(path, pieces, size):
    with path.open("wb") as stream:
        for offset, data in pieces:
            stream.seek(offset)
            stream.write(data)
        stream.truncate(size)
    return path


@pytest.mark.root
def test_blocks_are_shared_where_the_file_system_can(sharing) -> None:
    source = sharing / "source"
    source.write_bytes(random.Random(1).randbytes(64 * MIB))
    os.sync()
    before = os.statvfs(sharing).f_bavail
    assert copies.clone(source, sharing / "copy", size=100 * MIB)
    os.sync()
    used = (before - os.statvfs(sharing).f_bavail) * os.statvfs(sharing).f_frsize
    assert used < 8 * MIB
    assert (sharing / "copy").stat().st_size == 100 * MIB
    with (sharing / "copy").open("r+b") as stream:
        stream.write(b"changed")
    assert not source.read_bytes().startswith(b"changed")


@pytest.mark.root
def test_a_disk_on_such_a_file_system_shares_the_blocks_of_its_image(sharing, shapes) -> None:
    bench = shapes.Bench(sharing / "data")
    raw = sharing / "disk.raw"
    raw.write_bytes(random.Random(1).randbytes(32 * MIB))
    body = bench.image(raw)
    os.sync()
    before = os.statvfs(sharing).f_bavail
    for number in range(10):
        bench.disk(body, sid=f"v{number}", size=64 * MIB, address=f"vm.web[{number}]")
    os.sync()
    # Ten disks of 32 MiB each, in the room of less than one.
    assert (before - os.statvfs(sharing).f_bavail) * os.statvfs(sharing).f_frsize < 16 * MIB
    assert (bench.folder / "vms/v9/root.raw").read_bytes()[: 32 * MIB] == raw.read_bytes()


@pytest.mark.parametrize("by_kernel", [True, False])
def test_holes_stay_holes_and_data_stays_data(tmp_path, monkeypatch, by_kernel) -> None:
    if not by_kernel:
        monkeypatch.setattr(copies, "_copy_by_kernel", lambda *_: None)
    noise = random.Random(1).randbytes(300_000)
    source = sparse_file(tmp_path / "source", [(0, noise), (5 * MIB, noise), (9 * MIB - 300_000, noise)], 20 * MIB)
    assert not copies.clone(source, tmp_path / "copy", reflink=False)
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert copies.allocated(tmp_path / "copy") <= copies.allocated(source) + MIB


def test_a_file_of_nothing_but_a_hole_is_copied_as_one(tmp_path) -> None:
    source = sparse_file(tmp_path / "source", [], 5 * MIB)
    copies.clone(source, tmp_path / "copy", size=6 * MIB)
    assert (tmp_path / "copy").stat().st_size == 6 * MIB
    assert copies.allocated(tmp_path / "copy") == 0


def test_an_existing_target_is_never_written_over(tmp_path) -> None:
    source = sparse_file(tmp_path / "source", [(0, b"new")], 10)
    (tmp_path / "copy").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        copies.clone(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"old"


def test_a_copy_tells_how_far_it_is_and_can_be_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(copies, "_STRIDE", 100_000)
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 4000)
    told = []
    copies.clone(source, tmp_path / "copy", reflink=False, told=lambda done, total: told.append((done, total)))
    assert told[-1] == (source.stat().st_size, source.stat().st_size)
    assert len(told) > 5
    with pytest.raises(Temporary):
        copies.clone(source, tmp_path / "other", reflink=False, cancelled=lambda: len(told) > 3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 200_000)), max_size=12), st.integers(1, 150_000), st.integers(0, 300_000))
def test_what_is_written_with_holes_reads_back_as_it_was_given(tmp_path_factory, pieces, step, start) -> None:
    chance = random.Random(1)
    data = b"".join(chance.randbytes(length) if filled else bytes(length) for filled, length in pieces)
    path = tmp_path_factory.mktemp("sparse") / "file"
    path.write_bytes(b"\x07" * (start + 1000))
    with path.open("r+b") as stream:
        # What lies behind the start is from a try that came further and was wrong.
        writer = SparseWriter(stream.fileno(), start)
        for begin in range(0, len(data), step):
            writer.write(data[begin : begin + step])
            assert writer.position == start + min(len(data), begin + step)
        assert writer.finish() == start + len(data)
    assert path.read_bytes() == b"\x07" * start + data
    with contextlib.suppress(OSError):
        path.unlink()


@pytest.mark.parametrize("strikes", [1, 2, 5])
def test_what_was_given_before_an_interrupt_can_still_be_finished(tmp_path, monkeypatch, strikes) -> None:
    data = b"".join(random.Random(piece).randbytes(64 * 1024) + bytes(64 * 1024) for piece in range(40))
    write, calls = os.pwrite, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == strikes:
            raise KeyboardInterrupt
        return write(*arguments)

    monkeypatch.setattr(os, "pwrite", interrupted)
    given = 0
    with (tmp_path / "file").open("w+b") as stream:
        writer = SparseWriter(stream.fileno())
        try:
            for begin in range(0, len(data), 100_000):
                given = min(len(data), begin + 100_000)
                writer.write(data[begin:given])
        except KeyboardInterrupt:
            # The exception on its way still holds what was being written.
            assert writer.finish() == given
    assert len(calls) > strikes
    assert (tmp_path / "file").read_bytes() == data[:given]
