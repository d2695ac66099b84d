"""No provider opens what another one keeps: an audit hook watches every file that is opened while a stack is made, changed and removed."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import executor
from herocloud.apply.steering import Options
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import slice_sid
from herocloud.observe import observer
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import ownership, registry
from herocloud.providers.drivers import Drivers
from herocloud.providers.qemu import driving, kvm_probe
from herocloud.providers.seam import ProviderContext, Work
from herocloud.providers.vmm import folders, identity, launch, users
from herocloud.providers.vmm.shutdown import Patience
from herocloud.stack import load as stacks
from herocloud.state import store as states

GIB = 1024**3
SHARED = (ownership.FILE, f".{ownership.FILE}.new", users.FILE)
"""Whose a VM's folder is, which `providers.ownership` keeps for all that have parts in it, and which user the VM is, who owns its disks."""
STACK = """\
stack: shop
images: {{plain: {{source: {image}, format: raw, unpinned: true}}}}
networks: {{lan: {{cidr: 10.77.0.0/24, mode: user, nat: true, forward: [{{host_port: {port}, vm: web, port: 80}}]}}}}
volumes: {{data: {{size: 1 MiB}}, more: {{size: 1 MiB}}}}
vms:
  web:
    hypervisor: qemu
    image: plain
    memory: 1 GiB
    root_disk: {{size: 4 MiB}}
    networks: [lan]
    volumes: {volumes}
"""


class Watch:
    """Notes who opens what below a folder. Python has no way to remove an audit hook, so it is switched off instead."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.who = threading.local()
        self.keepers: dict[str, str] = {}
        self.opened: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        name = getattr(self.who, "name", None)
        if self.folder is None or name is None:
            return
        if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(f"{self.folder}/"):
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if not arguments[2] & os.O_DIRECTORY and arguments[0] not in getattr(self.who, "given", ()):
                self._note(name, arguments[0], writes=writes)
        elif event == "os.rename":
            with self._lock:
                moved = self.keepers.pop(str(arguments[0]), None)
                if moved is not None:
                    self.keepers[str(arguments[1])] = moved

    def _note(self, name: str, path: str, *, writes: bool) -> None:
        with self._lock:
            if writes:
                self.keepers.setdefault(path, name)
            self.opened.add((name, path))

    def trespasses(self) -> list[str]:
        with self._lock:
            return sorted(
                f"{name} opened `{path}` of {self.keepers[path]}"
                for name, path in self.opened
                if self.keepers.get(path, name) != name and Path(path).name not in SHARED
            )

    @contextlib.contextmanager
    def acting(self, name: str, given: set[str]) -> Iterator[None]:
        self.who.name, self.who.given = name, given
        try:
            yield
        finally:
            self.who.name = None


WATCH = Watch()
sys.addaudithook(WATCH)


class Watched:
    """A driver whose every call is watched; what its step was given it may open."""

    def __init__(self, name: str, driver: Any) -> None:
        self._name, self._driver = name, driver

    def _call(self, verb: str, work: Work) -> Any:
        with WATCH.acting(self._name, {str(disk.path) for disk in work.disks.values()}):
            return getattr(self._driver, verb)(work)

    def perform(self, work: Work) -> Any:
        result = self._call("perform", work)
        # A probe too, as a resume would: it looks at more than a performance does.
        self._call("probe", work)
        return result

    def probe(self, work: Work) -> Any:
        return self._call("probe", work)

    def undo(self, work: Work) -> None:
        self._call("undo", work)

    def close(self) -> None:
        self._driver.close()


class Site:
    """A data folder with the state and real providers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        slices = tuple(Slice(slice_sid(number), 4 * GIB, 100 * GIB) for number in range(1, 4))
        self.host = Host("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, slices, image_share=1.0, image_keep_free=0)
        self.context = ProviderContext(folder, self.host)

    def look(self) -> Any:
        seen = []
        for name in ("images", "user_network", "qemu"):
            with WATCH.acting(name, set()):
                seen.append(registry.find(name).observer(self.context).observe(None))
        return observer.merge(seen)

    def apply(self, text: str) -> Any:
        path = self.folder.parent / "stack.yaml"
        path.write_text(text)
        loaded = stacks.load([str(path)], host=self.host)
        assert loaded.desired is not None, loaded.diagnostics
        plan = planner.plan(loaded.desired, states.read_recorded(self.folder), self.look(), self.host, PlanOptions())
        assert not plan.errored, plan.diagnostics
        opened = Drivers(self.context)
        quick = driving.QemuDriver(self.folder, Patience(button=0.2, again=0.1, off=5.0))
        try:
            with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
                result = executor.execute(
                    plan,
                    store,
                    lambda name, role: Watched(name, quick if name == "qemu" else opened(name, role)),
                    options=Options(parallelism=4),
                    tell=lambda _event: None,
                )
        finally:
            opened.close()
        assert not result.failed, result
        return result

    def clean(self) -> None:
        for machine in self.folder.glob("vms/*"):
            if (machine / "vmm").exists():
                launch.keep(identity.record_path(self.folder, machine.name), kept=False)
            known = identity.running(self.folder, machine.name)
            if known is not None:
                identity.send(known, signal.SIGKILL)
        root = folders.runtime_root(self.folder)
        for path in sorted(root.rglob("*"), reverse=True) if root.exists() else ():
            path.rmdir() if path.is_dir() else path.unlink()
        with contextlib.suppress(OSError):
            root.rmdir()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    if kvm_probe.find_program() is None:
        pytest.skip(f"needs {kvm_probe.missing()}")
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    monkeypatch.setattr(kvm_probe, "accelerate", lambda *_, **__: kvm_probe.Acceleration("tcg", "for a test"))
    made = Site(tmp_path / "data")
    WATCH.folder, WATCH.keepers, WATCH.opened = made.folder, {}, set()
    yield made
    WATCH.folder = None
    made.clean()


@pytest.fixture
def stack(tmp_path: Path, free_port: int) -> Callable[..., str]:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(1024**2))
    return lambda volumes="[data]": STACK.format(image=image, port=free_port, volumes=volumes)


@pytest.fixture
def free_port() -> int:
    import socket

    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_stack_is_made_changed_and_removed_and_everybody_stays_in_its_own_folder(site: Site, stack: Callable[..., str]) -> None:
    site.apply(stack())
    parts = site.look().things["shop"]["vm.web"].parts
    assert parts["power"] == "running"
    site.apply(stack(volumes="[data, more]"))
    assert [use["volume"] for use in site.look().things["shop"]["vm.web"].parts["machine"]["volumes"]] == ["data", "more"]
    site.apply("stack: shop\n")
    assert site.look().things.get("shop", {}) == {}
    assert WATCH.trespasses() == []
    assert {name for name, _ in WATCH.opened} == {"images", "user_network", "qemu"}, "everybody was watched"


def test_a_provider_that_reads_the_notes_of_another_is_caught(site: Site) -> None:
    site.apply("stack: shop\nnetworks: {lan: {cidr: 10.77.0.0/24, mode: user}}\n")
    (note,) = site.folder.glob("user-networks/shop/*.json")
    assert WATCH.trespasses() == []
    with WATCH.acting("qemu", set()):
        note.read_bytes()
    assert WATCH.trespasses() == [f"qemu opened `{note}` of user_network"]
