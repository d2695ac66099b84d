"""A process that is killed with -9 in the middle of its bytes, and not at a point with a name, leaves what the next try heals."""

import os
import signal
import threading
import time

import pytest

from herocloud.providers.seam import Found

MIB = 1024**2


@pytest.fixture
def large(bench, tmp_path):
    """Return a fetched image with more data than is copied between two words of progress."""
    path = tmp_path / "large.raw"
    path.write_bytes(os.urandom(MIB) * 200)
    return bench.image(path)


def kill_when(bench, work, condition) -> None:
    """Perform a step in a process that stops at its first word of progress, and kill it there once the condition holds."""
    pid = os.fork()
    if pid == 0:
        try:
            bench.driver.perform(work._replace(progress=lambda _text, _share: signal.pause()))
        finally:
            os._exit(0)
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the process did not get into the middle"
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the process ended before it could be killed"
        pause.wait(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def taken(path) -> int:
    return path.stat().st_blocks * 512 if path.exists() else 0


def test_half_a_copied_disk_is_made_again(bench, shapes, large) -> None:
    step = ("disk.create", "vm.web", "disk", None, shapes.disk(large, size=256 * MIB))
    draft = bench.folder / "vms/v1/.root.raw.new"
    kill_when(bench, bench.work(*step), lambda: taken(draft) >= MIB)
    assert 0 < taken(draft) < 200 * MIB
    assert bench.probe(*step).found is Found.PARTIAL
    bench.perform(*step)
    assert bench.probe(*step).found is Found.DONE
    assert not draft.exists()
    with (bench.folder / "vms/v1/root.raw").open("rb") as disk, (bench.folder.parent / "large.raw").open("rb") as image:
        assert disk.read(200 * MIB) == image.read()


def test_half_a_copied_disk_is_taken_back(bench, shapes, large) -> None:
    before = bench.files()
    step = ("disk.create", "vm.web", "disk", None, shapes.disk(large, size=256 * MIB))
    kill_when(bench, bench.work(*step), lambda: taken(bench.folder / "vms/v1/.root.raw.new") >= MIB)
    bench.undo(*step)
    assert bench.probe(*step).found is Found.NOT_STARTED
    assert bench.files() == before


def test_half_a_file_on_its_way_into_the_store_is_fetched_again(bench, shapes, tmp_path) -> None:
    source = tmp_path / "large.raw"
    source.write_bytes(os.urandom(MIB) * 20)
    step = ("image.fetch", "image.debian", "image", None, shapes.image(str(source)))

    def begun() -> bool:
        return any((bench.folder / "images/downloads").glob("*.part"))

    kill_when(bench, bench.work(*step), begun)
    assert bench.probe(*step).found is Found.PARTIAL
    bench.perform(*step)
    (content,) = (bench.folder / "images/store").glob("*.raw")
    assert content.read_bytes() == source.read_bytes()
    assert list((bench.folder / "images/downloads").iterdir()) == []
