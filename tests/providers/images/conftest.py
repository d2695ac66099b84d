"""A data folder to work on step by step, images to put into it, and a server that misbehaves in every way it is told to."""

import gzip
import hashlib
import os
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Step
from herocloud.model.worlds import Observed, Thing
from herocloud.providers.images import downloads, driving, observing
from herocloud.providers.images.image_folders import KEEP, Ownership
from herocloud.providers.seam import Probe, Work
from tests.providers.images import guests as image_guests

MIB = 1024**2
GIB = 1024**3

HASTE = downloads.Patience(connect=5.0, silence=0.4, tries=3, enough=1, first=0.001, longest=0.002, wait=lambda _seconds: None)
"""For servers that answer at once or never."""


ROOMY = Host("node1", 0, 1024**4, 0, 1, (), image_share=1.0, image_keep_free=0)
"""A host that lets images have what there is: how much that is on the machine that runs the tests is not their business."""


HELD = 1_000_000_000.0
"""Since when VMs are held whose snapshots are taken: the same in every run, so that two can be compared."""


class Bench:
    """One data folder; steps are performed on it without any plan."""

    def __init__(self, folder: Path, host: Host | None = None, ownership: Ownership = KEEP, patience: downloads.Patience = HASTE) -> None:
        self.folder = folder
        self.driver = driving.ImagesDriver(folder, host or ROOMY, ownership=ownership, patience=patience, environment=os.environ)

    def work(self, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Work:
        """Put a step together; `more` goes to the work around it."""
        step = Step(StepId(f"{address}/{kind}"), Address(address), kind, "images", part, before, after, origin=more.pop("origin", None))
        return Work(**{"step": step, "stack": StackName("shop"), "spec": {}, "lineage": "ours", "plan": "p1", "held": HELD, **more})

    def perform(self, *step: Any, **more: Any) -> Any:
        return self.driver.perform(self.work(*step, **more))

    def probe(self, *step: Any, **more: Any) -> Probe:
        return self.driver.probe(self.work(*step, **more))

    def undo(self, *step: Any, **more: Any) -> None:
        self.driver.undo(self.work(*step, **more))

    def look(self) -> Observed:
        return observing.ImagesObserver(self.folder).observe(None)

    def thing(self, address: str, stack: str = "shop") -> Thing | None:
        return self.look().things.get(StackName(stack), {}).get(Address(address))

    def part(self, address: str, part: str, stack: str = "shop") -> Any:
        thing = self.thing(address, stack)
        return None if thing is None else thing.parts.get(part)

    def image(self, path: Path, name: str = "debian", **fields: Any) -> dict[str, Any]:
        """Fetch an image from a file or an address."""
        body = image(str(path), **fields)
        self.perform("image.fetch", f"image.{name}", "image", None, body)
        return body

    def disk(self, body: dict[str, Any], sid: str = "v1", size: int = 8 * MIB, address: str = "vm.web", **more: Any) -> dict[str, Any]:
        """Make the root disk of a VM from an image."""
        after = disk(body, sid, size)
        self.perform("disk.create", address, "disk", None, after, **more)
        return after

    def volume(self, name: str = "data", size: int = 4 * MIB) -> dict[str, Any]:
        after = {"size": size, "path": f"volumes/shop/{name}.raw"}
        self.perform("volume.create", f"volume.{name}", "volume", None, after)
        return after

    def snapshot(self) -> dict[str, Any]:
        """Return everything that two runs which did the same have in common: names, data, and what is observed."""
        seen = self.look()
        names = {
            re.sub(r"-[0-9a-f]{8}/", "-KEY/", name): hashlib.sha256((self.folder / name).read_bytes()).hexdigest()[:12]
            if name.endswith((".raw", "/data"))
            else None
            for name in self.files()
        }
        return {"files": names, "things": seen.things, "images": seen.images, "tombstones": len(self.driver.tombstones())}

    def files(self) -> list[str]:
        """Name every file in the data folder but locks, which stay."""
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file() and "images/locks" not in str(path)
        )


def image(source: str | None, **fields: Any) -> dict[str, Any]:
    """Return the part of an image, as plans have it."""
    return {
        "source": source, "sha256": None, "unpinned": False, "decompress": "none", "format": "raw", "kernel": None, "initramfs": None,
        "cmdline": None, **fields,
    }  # fmt: skip


def disk(body: dict[str, Any] | None, sid: str = "v1", size: int = 8 * MIB) -> dict[str, Any]:
    """Return the part of a root disk, as plans have it."""
    source = None if body is None else body["sha256"] or body["source"]
    return {"size": size, "path": f"vms/{sid}/root.raw", "image": "debian", "source": source}


def spec(**fields: Any) -> dict[str, Any]:
    """Return of a VM's target what a seed is made from."""
    nic = {"network": "lan", "slot": 0, "mac": "02:00:00:00:00:01", "address": "10.42.0.2", "prefix": 24, "gateway": "10.42.0.1"}
    return {
        "sid": "v1", "hostname": "web", "ssh_keys": [], "user_data": None, "env": {}, "secrets": {}, "networks": [nic], "mycelium": None,
        **fields,
    }  # fmt: skip


SEED = {"instance": "v1-00000001", "digest": "1", "path": "vms/v1/seed.iso"}


def content(size: int = 3 * MIB, seed: int = 1) -> bytes:
    """Return the content of a small disk: some data, some zeros, some data; the same for the same seed."""
    chance = random.Random(seed)
    data = bytearray(size)
    for begin in (0, size // 2, size - 70_000):
        data[begin : begin + 70_000] = chance.randbytes(70_000)
    return bytes(data)


class Server(ThreadingHTTPServer):
    """Serves files, and does to each answer what a test has put into `tricks`, one after the other; then it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents: dict[str, bytes] = {}
        self.tricks: list[Callable[[_Handler, bytes], None]] = []
        self.requests: list[dict[str, str]] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()

    def url(self, name: str = "disk.raw") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def put(self, data: bytes, name: str = "disk.raw") -> str:
        """Serve some bytes; returns their address."""
        self.contents[name] = data
        return self.url(name)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: clients hang up here on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests.append(dict(self.headers.items()))
            trick = self.server.tricks.pop(0) if self.server.tricks else None
        data = self.server.contents.get(self.path[1:].partition("?")[0])
        if data is None:
            self.send_error(404)
        elif trick is not None:
            trick(self, data)
        else:
            self.answer(data)

    def answer(self, data: bytes, *, cut: int | None = None, etag: str | None = None, length: int | None = None) -> None:
        """Answer as a good server does, ranges included; `cut` hangs up after so many bytes of the body."""
        tag = etag or f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        wanted, begin = self.headers.get("Range"), 0
        if wanted and self.headers.get("If-Range", tag) == tag:
            begin = int(wanted.removeprefix("bytes=").partition("-")[0])
        if begin and begin >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = data[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("ETag", tag)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: what was asked is in `requests`."""


def cut(after: int, **options: Any) -> Callable[[_Handler, bytes], None]:
    """Hang up after so many bytes of the body."""
    return lambda handler, data: handler.answer(data, cut=after, **options)


def status(code: int, **headers: str) -> Callable[[_Handler, bytes], None]:
    """Answer with a code and no content."""

    def trick(handler: _Handler, _data: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return trick


def stall(after: int = 0) -> Callable[[_Handler, bytes], None]:
    """Send some bytes and then nothing more, with the connection open."""

    def trick(handler: _Handler, data: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:after])
        handler.wfile.flush()
        handler.server.stopping.wait(20)
        handler.close_connection = True

    return trick


def mute(handler: _Handler, _data: bytes) -> None:
    """Say nothing at all, with the connection open."""
    handler.server.stopping.wait(20)
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server on this machine."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.stopping.set()
    running.shutdown()
    running.server_close()
    thread.join(timeout=10)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out syncing: a killed process loses nothing that it wrote. The order of syncing has tests of its own."""
    if "real_syncing" not in request.fixturenames:
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def real_syncing() -> None:
    """Ask for the disk to be waited for."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench on an empty data folder."""
    return Bench(tmp_path / "data")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a raw disk image of three MiB."""
    path = tmp_path / "disk.raw"
    path.write_bytes(content())
    return path


@pytest.fixture(params=["xfs", "btrfs"])
def sharing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system that can share blocks."""
    kind = request.param
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system")
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"needs mkfs.{kind} (package {'xfsprogs' if kind == 'xfs' else 'btrfs-progs'})")
    image, folder = tmp_path / f"{kind}.img", tmp_path / kind
    with image.open("wb") as stream:
        stream.truncate(400 * MIB)
    folder.mkdir()
    subprocess.run([f"mkfs.{kind}", str(image)], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip(f"this kernel or container cannot mount {kind}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def guests() -> Any:
    """Return the module that runs real guests."""
    return image_guests


@pytest.fixture(scope="session")
def make_seed() -> Callable[..., Path]:
    """Return a function that writes a seed into a folder."""

    def make(folder: Path, **fields: Any) -> Path:
        bench = Bench(folder / "data")
        bench.perform("seed.write", "vm.web", "seed", None, SEED, spec=spec(**fields))
        return folder / "data" / SEED["path"]

    return make


@pytest.fixture
def shapes() -> Any:
    """Return what tests need besides the bench."""
    import types

    return types.SimpleNamespace(
        image=image, disk=disk, spec=spec, SEED=SEED, content=content, cut=cut, status=status, stall=stall,
        mute=mute, gzip=gzip.compress,
        sha256=lambda data: hashlib.sha256(data).hexdigest(), Bench=Bench, ROOMY=ROOMY, HASTE=HASTE, MIB=MIB, GIB=GIB, run_child=run_child,
    )  # fmt: skip


def run_child(bench: Bench, verb: str, work: Work, point: str) -> bool:
    """Perform or undo a step in a process of its own, which dies at a point; tells whether it was killed.

    A fork and no fresh interpreter: there are hundreds of these, and each would load everything again.
    """
    from herocloud.kits import faults

    pid = os.fork()
    if pid == 0:
        name, number = point.rsplit(":", 1)
        faults._rules[name] = (int(number), "kill")
        faults._counts.clear()
        try:
            getattr(bench.driver, verb)(work)
        finally:
            os._exit(0)
    _, ended = os.waitpid(pid, 0)
    return os.WIFSIGNALED(ended)
