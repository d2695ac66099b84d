"""A host of its own for real providers: a network namespace with a web server in it, and a data folder with the real state.

Networks, taps, rules, images, disks, volumes and seeds are made for real; machines are pretended, unless a hypervisor is named. Everything
that touches the world runs in forked children which go into the namespace first; the process of the test stays where it is.
"""

import contextlib
import ctypes
import http.server
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from herocloud.apply import executor
from herocloud.apply.steering import Options
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import slice_sid
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed
from herocloud.observe import observer as observe_observer
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import registry
from herocloud.providers.drivers import Drivers
from herocloud.providers.qemu import driving as qemu
from herocloud.providers.seam import ProviderContext
from herocloud.providers.vmm import folders
from herocloud.providers.vmm.shutdown import Patience
from herocloud.stack import load as stacks
from herocloud.state import store as states
from tests.providers.images import engine
from tests.providers.network import dumps

GIB = 1024**3
PORT = 8080
NEW_NETWORK, NEW_MOUNTS = 0x40000000, 0x00020000
SLAVE = 0x4000 | 0x80000
"""MS_REC and MS_SLAVE: what is mounted here is seen by nobody outside."""
SLICES = tuple(Slice(slice_sid(number), 4 * GIB, 100 * GIB) for number in range(1, 9))
HOST = Host("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, SLICES, image_share=1.0, image_keep_free=0)
IMPATIENT = Patience(button=0.2, again=1.0)
TESTS = Path(__file__).resolve().parent.parent


class Namespace:
    """A network namespace, kept by a process that also serves the files of a folder in it; both end together."""

    def __init__(self, files: Path) -> None:
        """Make it, and wait until the server listens."""
        reading, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reading)
            _keep(files, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            ready = stream.read()
        assert ready == b"ready", "the namespace could not be made"
        self._place = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def enter(self) -> None:
        """Move this process, which must have no other threads, into the namespace, with a /sys that shows its interfaces."""
        _call("setns", self._place, NEW_NETWORK)
        _call("unshare", NEW_MOUNTS)
        _call("mount", b"none", b"/", None, SLAVE, None)
        _call("mount", b"sysfs", b"/sys", b"sysfs", 0, None)
        if Path("/run/systemd").is_dir():
            # What systemd starts would be outside of the namespace, so it is not to be seen.
            _call("mount", b"tmpfs", b"/run/systemd", b"tmpfs", 0, None)

    def close(self) -> None:
        """End the process that keeps it."""
        os.close(self._place)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _keep(files: Path, writing: int) -> None:
    try:
        _call("unshare", NEW_NETWORK)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for value in ("1", "0"):
            # A new namespace begins with the settings of the machine as they are just then; on and off again sets them all.
            Path("/proc/sys/net/ipv4/ip_forward").write_text(value)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), _handler(files))
        os.write(writing, b"ready")
        os.close(writing)
        server.serve_forever()
    finally:
        os._exit(1)


def _handler(files: Path) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = (files / self.path.strip("/")).read_bytes()
            begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", '"one"')
            self.end_headers()
            with contextlib.suppress(OSError):
                middle = begin + (len(content) - begin) // 2
                self.wfile.write(content[begin:middle])
                self._wait_until_gone_if_told_to()
                self.wfile.write(content[middle:])

        def _wait_until_gone_if_told_to(self) -> None:
            with contextlib.suppress(FileNotFoundError):
                (files / "stall").unlink()
                self.wfile.flush()
                self.connection.recv(1)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _call(name: str, *arguments: int | bytes | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


class Site:
    """A data folder with the real state and real providers; its methods are called inside the namespace."""

    def __init__(self, folder: Path, hypervisor: str | None = None) -> None:
        """`hypervisor` runs the machines; without one they are pretended."""
        self.folder = folder
        self.hypervisor = hypervisor
        self.dumps = dumps
        self._machines = engine.Machines(folder)
        self._context = ProviderContext(folder, HOST)
        if hypervisor is None:
            # Only ever in a forked child, which ends before anybody else could notice.
            registry.PROVIDERS = engine.lines()

    def machines(self) -> Any:
        """Return what runs, as the hypervisor would have it, and where the sockets of machines lie."""
        if self.hypervisor is None:
            return self._machines.read()
        observer = registry.find(self.hypervisor).observer(self._context)
        things = {address: thing.parts for found in observer.observe(None).things.values() for address, thing in found.items()}
        root = folders.runtime_root(self.folder)
        return {**things, "sockets": sorted(str(path.relative_to(root)) for path in root.rglob("*"))}

    def processes(self) -> list[int]:
        """Return the processes whose command line names this data folder: the machines that run."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if int(place.parent.name) != os.getpid() and str(self.folder).encode() in place.read_bytes():
                    found.append(int(place.parent.name))
        return found

    def look(self) -> Observed:
        names = ["images", "network", *([self.hypervisor] if self.hypervisor else [])]
        seen = [registry.find(name).observer(self._context).observe(None) for name in names]
        return observe_observer.merge([*seen, *([] if self.hypervisor else [self._machines.observe(None)])])

    def plan(self, text: str) -> Plan:
        path = self.folder / "stack.yaml"
        path.write_text(text)
        loaded = stacks.load([str(path)], host=HOST)
        assert loaded.desired is not None, loaded.diagnostics
        plan = planner.plan(loaded.desired, states.read_recorded(self.folder), self.look(), HOST, PlanOptions(hypervisor=self.hypervisor))
        assert not plan.errored, plan.diagnostics
        return plan

    def apply(self, text: str) -> Result:
        plan = self.plan(text)
        with self._running() as (store, drivers):
            return executor.execute(plan, store, drivers, options=Options(parallelism=4), tell=lambda _event: None)

    def resume(self, *, rollback: bool = False) -> Result:
        with self._running() as (store, drivers):
            return executor.resume(store, drivers, options=Options(parallelism=4), tell=lambda _event: None, rollback=rollback)

    @contextlib.contextmanager
    def _running(self) -> Iterator[tuple[Any, Callable[[str, str], Any]]]:
        drivers = Drivers(self._context)

        def find(name: str, role: str) -> Any:
            # No guest ever boots here, so waiting for one to shut down would only cost time.
            quick = {engine.NAME: lambda: self._machines, "qemu": lambda: qemu.QemuDriver(self.folder, IMPATIENT)}
            return quick[name]() if name in quick else drivers(name, role)

        try:
            with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
                yield store, find
        finally:
            drivers.close()
