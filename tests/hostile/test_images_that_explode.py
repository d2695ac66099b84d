"""What an image unpacks to is bounded in memory, size and ratio, and the bounds are the operator's."""

import itertools
import lzma
import os
import resource
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.world
MIB = 1024**2


@pytest.fixture
def pull(herocloud: Any) -> Any:
    """Return a function that pulls an image on the real host, in a process of its own whose memory is measured."""
    host = herocloud.data_folder / "host.yaml"
    host.write_text("images: {share: 1.0, keep_free: 0 B}\n")

    def run(source: str, how: str = "none", form: str = "raw", limits: str = "") -> Any:
        host.write_text(f"images: {{share: 1.0, keep_free: 0 B}}\n{limits}")
        herocloud.write(f"stack: s\nimages:\n  i: {{source: '{source}', unpinned: true, decompress: {how}, format: {form}}}\n")
        return herocloud("image", "pull", "i")

    return run


def stored(herocloud: Any) -> list[str]:
    folder = herocloud.data_folder / "images"
    return [str(path) for path in folder.rglob("*") if path.is_file() and path.stat().st_size > MIB]


def zeros(path: Path, mebibytes: int, **options: Any) -> Path:
    with lzma.open(path, "wb", **options) as stream:
        for _ in range(mebibytes):
            stream.write(bytes(MIB))
    return path


def test_a_dictionary_of_xz_takes_no_more_memory_than_allowed(herocloud: Any, pull: Any) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 256 * MIB, "preset": 0}]
    path = zeros(herocloud.folder / "greedy.raw.xz", 30, filters=filters)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ran = pull("./greedy.raw.xz", "xz", limits="limits: {unpack_memory: 64 MiB}\n")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    assert (ran.code, stored(herocloud)) == (1, []), ran.both
    assert "takes more than 64 MiB of memory" in ran.err, ran.both
    assert "`limits: unpack_memory`" in ran.err
    assert grown < 200, f"it took {grown} MiB to say so"
    assert path.exists()
    assert pull("./greedy.raw.xz", "xz").code == 0


def test_a_window_of_zstd_takes_no_more_memory_than_allowed(herocloud: Any, pull: Any) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("the program zstd is not installed")
    plain = herocloud.folder / "plain.raw"
    with plain.open("wb") as stream:
        stream.write(os.urandom(MIB))
        stream.truncate(300 * MIB)
    subprocess.run(["zstd", "-q", "--long=28", str(plain), "-o", str(herocloud.folder / "greedy.raw.zst")], check=True, timeout=120)
    ran = pull("./greedy.raw.zst", "zstd", limits="limits: {unpack_memory: 64 MiB}\n")
    assert (ran.code, "takes more than 64 MiB of memory" in ran.err) == (1, True), ran.both


@pytest.mark.parametrize("how", ["xz", "gzip", "zstd"])
def test_a_bomb_of_zeros_is_refused_by_its_ratio(herocloud: Any, pull: Any, how: str) -> None:
    program = {"xz": ["xz", "-1"], "gzip": ["gzip", "-1"], "zstd": ["zstd", "-q", "-1"]}[how]
    if shutil.which(program[0]) is None:
        pytest.skip(f"the program {program[0]} is not installed")
    path = herocloud.folder / "bomb"
    zeros_of = herocloud.folder / "zeros"
    with path.open("wb") as target, zeros_of.open("w+b") as source:
        source.truncate(1100 * MIB)
        subprocess.run([*program, "-c"], stdin=source, stdout=target, check=True, timeout=120)
    ran = pull("./bomb", how)
    assert (ran.code, stored(herocloud)) == (1, []), ran.both
    assert "over 200 times as much" in ran.err, ran.both


def test_the_apparent_size_has_a_limit(herocloud: Any, pull: Any) -> None:
    zeros(herocloud.folder / "large.raw.xz", 40, preset=0)
    ran = pull("./large.raw.xz", "xz", limits="limits: {unpacked: 32 MiB}\n")
    assert (ran.code, stored(herocloud)) == (1, []), ran.both
    assert "32 MiB are allowed" in ran.err


def test_a_sparse_file_has_the_same_limit(herocloud: Any, pull: Any) -> None:
    with (herocloud.folder / "hole.raw").open("wb") as stream:
        stream.truncate(2**41)
    ran = pull("./hole.raw")
    assert (ran.code, "256 GiB are allowed" in ran.err) == (1, True), ran.both


def test_a_qcow2_of_nothing_has_the_same_limit(herocloud: Any, pull: Any) -> None:
    if shutil.which("qemu-img") is None:
        pytest.skip("the program qemu-img is not installed")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(herocloud.folder / "huge.qcow2"), "60T"], check=True, timeout=60)
    ran = pull("./huge.qcow2", form="qcow2")
    assert (ran.code, "256 GiB are allowed" in ran.err) == (1, True), ran.both


@pytest.fixture
def fountain() -> Iterator[str]:
    """Run a server that sends zeros for as long as anybody listens."""

    class Pour(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            try:
                for _ in itertools.repeat(None, 4096):
                    self.wfile.write(bytes(MIB))
            except OSError:
                return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pour) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/x.raw"
        running.shutdown()


def test_a_server_that_never_ends_is_left(herocloud: Any, pull: Any, fountain: str) -> None:
    ran = pull(fountain, limits="limits: {download: 100 MiB}\n")
    assert (ran.code, "too large to download" in ran.err, stored(herocloud)) == (1, True, []), ran.both


def test_streams_of_xz_behind_each_other_are_one_file(herocloud: Any, pull: Any) -> None:
    path = herocloud.folder / "two.raw.xz"
    path.write_bytes(lzma.compress(b"a" * 3 * MIB) + bytes(8) + lzma.compress(b"b" * 1024))
    assert pull("./two.raw.xz", "xz").code == 0
    (entry,) = [path for path in (herocloud.data_folder / "images").rglob("*") if path.is_file() and path.stat().st_size > MIB]
    assert entry.read_bytes() == b"a" * 3 * MIB + b"b" * 1024


@pytest.mark.parametrize("cut", [10, 100, 300])
def test_half_a_stream_of_xz_is_no_image(herocloud: Any, pull: Any, cut: int) -> None:
    content = lzma.compress(os.urandom(2 * MIB))
    (herocloud.folder / "half.raw.xz").write_bytes(content[:-cut])
    ran = pull("./half.raw.xz", "xz")
    assert (ran.code, "it ends too early" in ran.err) == (1, True), ran.both
