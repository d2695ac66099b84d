"""No provider opens what another one keeps: an audit hook watches every file that is opened while stacks are made, changed and removed.

Every provider takes part, each where it can: beside each other in one data folder, with the simulator as well.
"""

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import executor, workers
from herocloud.apply.steering import Options
from herocloud.model.hosts import Host, Slice
from herocloud.model.ids import slice_sid
from herocloud.observe import observer
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions
from herocloud.providers import registry
from herocloud.providers.cloud_hypervisor.driving import CloudHypervisorDriver
from herocloud.providers.drivers import Drivers
from herocloud.providers.qemu import kvm_probe
from herocloud.providers.qemu.driving import QemuDriver
from herocloud.providers.seam import ProviderContext
from herocloud.providers.vmm import folders, identity, launch
from herocloud.providers.vmm.shutdown import Patience
from herocloud.stack import load as stacks
from herocloud.state import store as states
from tests.providers.contract.watch import WATCH, Watched
from tests.providers.network import ability

GIB = 1024**3
TESTS = Path(__file__).parents[1]
NETWORK = "networks: {lan: {cidr: 10.77.0.0/24, mode: MODE, nat: true, forward: [{host_port: PORT, vm: web, port: 80}]}}\n"
STACK = """\
stack: NAME
images: {plain: {source: IMAGE, format: raw, unpinned: true, kernel: KERNEL, cmdline: "console=ttyS0 guest=lively"}}
volumes: {data: {size: 1 MiB}, more: {size: 1 MiB}}
vms:
  web:
    hypervisor: HYPERVISOR
    image: plain
    memory: 1 GiB
    root_disk: {size: 64 MiB}
    networks: NETWORKS
    volumes: VOLUMES
"""
PATIENCE = Patience(button=0.2, again=0.1, off=5.0)


class Site:
    """A data folder with the state and all providers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        slices = tuple(Slice(slice_sid(number), 4 * GIB, 100 * GIB) for number in range(1, 4))
        self.host = Host("node1", 64 * GIB, 800 * GIB, 800 * GIB, 8, slices, image_share=1.0, image_keep_free=0)
        self.context = ProviderContext(folder, self.host)

    def look(self) -> Any:
        seen = []
        for declaration in registry.declarations():
            with WATCH.acting(declaration.name):
                seen.append(declaration.observer(self.context).observe(None))
        return observer.merge(seen)

    def parts(self, stack: str) -> Any:
        return self.look().things[stack]["vm.web"].parts

    def apply(self, text: str) -> Any:
        path = self.folder.parent / "stack.yaml"
        path.write_text(text)
        loaded = stacks.load([str(path)], host=self.host)
        assert loaded.desired is not None, loaded.diagnostics
        plan = planner.plan(loaded.desired, states.read_recorded(self.folder), self.look(), self.host, PlanOptions())
        assert not plan.errored, plan.diagnostics
        drivers = Drivers(self.context)
        quick = {
            "qemu": QemuDriver(self.folder, PATIENCE),
            "cloud-hypervisor": CloudHypervisorDriver(self.folder, PATIENCE, agreement=1.0),
        }

        def open_driver(name: str, role: str) -> Watched:
            with WATCH.acting(name):
                return Watched(name, quick.get(name) or drivers(name, role))

        try:
            with states.open_state(self.folder, write=True) as store:  # type: ignore[union-attr]
                result = executor.execute(plan, store, open_driver, options=Options(parallelism=4), tell=lambda _event: None)
        finally:
            drivers.close()
        assert not result.failed, [one.error for one in result.outcomes if one.error]
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
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    monkeypatch.setattr(kvm_probe, "accelerate", lambda *_, **__: kvm_probe.Acceleration("tcg", "for a test"))
    monkeypatch.setenv("PATH", f"{TESTS / 'cloud_hypervisor' / 'stand_in'}:{os.environ['PATH']}")
    made = Site(tmp_path / "data")
    WATCH.begin(made.folder)
    yield made
    WATCH.begin(None)
    made.clean()


Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, free_port: int) -> Write:
    """Return a writer of stacks of one VM on a hypervisor, with networks of a kind or none."""
    image, kernel = tmp_path / "disk.raw", tmp_path / "vmlinux"
    image.write_bytes(bytes(1024**2))
    kernel.write_bytes(b"guest=lively\n")

    def made(hypervisor: str, mode: str, volumes: str = "[data]", name: str = "shop") -> str:
        text = STACK + (NETWORK if mode else "")
        if hypervisor == "qemu":
            text = text.replace(', kernel: KERNEL, cmdline: "console=ttyS0 guest=lively"', "")
        words = {
            "NAME": name, "IMAGE": str(image), "KERNEL": str(kernel), "HYPERVISOR": hypervisor, "NETWORKS": "[lan]" if mode else "[]",
            "VOLUMES": volumes, "MODE": mode, "PORT": str(free_port),
        }  # fmt: skip
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        return text

    return made


@pytest.fixture
def free_port() -> int:
    import socket

    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def in_a_namespace(body: Callable[[], None]) -> None:
    """Run a function in a thread with a network namespace of its own, which goes with it."""
    import ctypes

    failed: list[BaseException] = []

    def run() -> None:
        try:
            # CLONE_NEWNET and CLONE_NEWNS: of this thread alone, and of the threads and processes that it begins.
            system = ctypes.CDLL(None)
            assert system.unshare(0x40000000 | 0x00020000) == 0, "no namespaces"
            # MS_REC and MS_PRIVATE; then a `/sys` that shows the links of this namespace.
            assert system.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0, "mounts of its own"
            assert system.mount(b"sysfs", b"/sys", b"sysfs", 0, None) == 0, "a /sys of its own"
            body()
            gc.collect()
        except BaseException as error:  # noqa: BLE001  (it is raised where the test waits)
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def live(site: Site, write: Write, hypervisor: str, mode: str) -> None:
    """Make a stack beside a simulated one, change both and remove both."""
    for volumes, names in (("[data]", ["data"]), ("[data, more]", ["data", "more"])):
        for stack in (write(hypervisor, mode, volumes), write("simulator", "", volumes, name="play")):
            site.apply(stack)
        for name in ("shop", "play"):
            parts = site.parts(name)
            assert parts["power"] == "running"
            assert [use["volume"] for use in parts["machine"]["volumes"]] == names
    for name in ("shop", "play"):
        site.apply(f"stack: {name}\n")
        assert site.look().things.get(name, {}) == {}


@pytest.mark.parametrize(
    ("hypervisor", "mode", "makers"),
    [
        ("qemu", "user", {"images", "user_network", "qemu"}),
        ("cloud-hypervisor", "", {"images", "cloud-hypervisor"}),
        pytest.param(
            "cloud-hypervisor",
            "bridge",
            {"images", "network", "cloud-hypervisor"},
            # pyroute2 keeps a loop for each thread that used a connection, and closes that of the thread that closes it.
            marks=[pytest.mark.root, pytest.mark.filterwarnings("ignore::ResourceWarning")],
        ),
    ],
)
def test_stacks_are_made_changed_and_removed_and_everybody_stays_in_its_own_folder(
    site: Site, write: Write, hypervisor: str, mode: str, makers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thread stays in the namespace in which it began: those of an earlier apply would make taps and bridges on the host itself.
    monkeypatch.setattr(workers, "_hire", lambda work: threading.Thread(target=work, daemon=True).start())
    if hypervisor == "qemu" and kvm_probe.find_program() is None:
        pytest.skip(f"needs {kvm_probe.missing()}")
    if mode == "bridge" and (lacking := ability.missing()):
        pytest.skip(lacking)
    body = lambda: live(site, write, hypervisor, mode)  # noqa: E731
    in_a_namespace(body) if mode == "bridge" else body()
    assert WATCH.trespasses() == []
    assert WATCH.seen() >= {*makers, "simulator"}, "everybody was watched"


@pytest.mark.root
def test_the_overlay_is_made_and_removed_and_stays_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if lacking := ability.missing():
        pytest.skip(lacking)
    monkeypatch.syspath_prepend(str(TESTS / "mycelium"))
    import hosts

    host = hosts.OverlayHost(tmp_path / "data", "standin")
    try:
        host.order({"verb": "watch"})
        node = hosts.node(host.key())
        host.enable(node)
        host.add_peer("tcp://192.0.2.1:9651")
        card = host.guest(1, node["subnet"])
        assert {"mycelium.node", "peer.tcp://192.0.2.1:9651", "vm.g1"} <= {*host.things()}
        host.drop_guest(card)
        host.remove_peer("tcp://192.0.2.1:9651")
        host.disable(node)
        assert host.things() == {}
        assert host.order({"verb": "watched"}) == [[], ["mycelium", "network"]]
    finally:
        host.close()


@pytest.mark.parametrize(("one", "other"), [("qemu", "user_network"), ("cloud-hypervisor", "user_network"), ("mycelium", "user_network")])
def test_a_provider_that_reads_the_notes_of_another_is_caught(site: Site, one: str, other: str) -> None:
    site.apply("stack: shop\nnetworks: {lan: {cidr: 10.77.0.0/24, mode: user}}\n")
    (note,) = site.folder.glob("user-networks/shop/*.json")
    assert WATCH.trespasses() == []
    with WATCH.acting(one):
        # Also in a thread of its own.
        reading = threading.Thread(target=note.read_bytes)
        reading.start()
        reading.join()
    assert WATCH.trespasses() == [f"{one} opened `{note}` of {other}"]


def test_a_provider_that_connects_to_the_database_of_the_simulator_is_caught(site: Site, write: Write) -> None:
    import sqlite3

    site.apply(write("simulator", "", name="play"))
    assert WATCH.trespasses() == []
    with WATCH.acting("images"):
        sqlite3.connect(f"file:{site.folder / 'simulator.db'}?mode=ro", uri=True).close()
    assert WATCH.trespasses() == [f"images opened `{site.folder / 'simulator.db'}` of simulator"]
