"""Machines for tests: a data folder with one VM, a driver with little patience, and whatever was started ended with the test."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address
from herocloud.model.steps import Step
from herocloud.providers.qemu import driving, kvm_probe, observing
from herocloud.providers.seam import Attachment, Disk, Lock, Probe, UserNetwork, Work
from herocloud.providers.vmm import folders, identity, launch, loopback
from herocloud.providers.vmm.shutdown import Patience
from tests.providers.vmm import leftover_processes

MIB = 1024**2
# The lab is emulated itself: there KVM is sound, and emulation inside emulation would take minutes for a boot.
ACCELERATOR = "kvm" if os.environ.get("HEROCLOUD_LAB") else "tcg"


def make_machine(**fields: Any) -> Part:
    """Return the part of a small machine."""
    return {
        "sid": "v1",
        "vcpus": 1,
        "max_vcpus": 4,
        "affinity": None,
        "topology": None,
        "memory": 256 * MIB,
        "boot_memory": 256 * MIB,
        "hotplug": 768 * MIB,
        "hugepages": False,
        "mergeable": False,
        "root": {"direct": False, "rate": None},
        "volumes": [],
        "shares": [],
        "nics": [],
        "payload": None,
        "seed": None,
        "labels": {},
        "restart": "no",
        **fields,
    }


class Bench:
    """One VM and everything that a test does to it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.driver = driving.QemuDriver(data, Patience(button=0.5, again=0.2, off=10.0))
        self.told: list[str] = []
        self.spec: dict[str, Any] = {"sid": "v1", "networks": [], "mycelium": None}
        self.attachments: dict[str, Attachment] = {}
        self.lineage = "lineage-1"
        (data / "vms" / "v1").mkdir(parents=True)
        self.root = data / "vms" / "v1" / "root.raw"
        self.root.touch(mode=0o600)
        os.truncate(self.root, 8 * MIB)

    def work(self, kind: str, before: Part, after: Part, part: str = "machine", address: str = "vm.web") -> Work:
        step = Step(f"{address}/{kind}", address, kind, "qemu", part, before, after)  # type: ignore[arg-type]
        return Work(
            step,
            "shop",  # type: ignore[arg-type]
            self.spec,
            self.lineage,
            "plan",
            progress=lambda text, _share: self.told.append(text),
            attachments=self.attachments,
            disks=self.disks(),
        )

    def disks(self) -> dict[str, Disk]:
        """Return what the provider of images would hand over: everything that lies in its places."""
        folder = self.data / "vms" / self.spec.get("sid", "v1")
        found = {"disk": folder / "root.raw", "seed": folder / "seed.iso"}
        found |= {f"volume.{path.stem}": path for path in self.data.glob("volumes/shop/*.raw")}
        serials = {"disk": "root"}
        return {
            name: Disk(path, "raw", None, serials.get(name, name.removeprefix("volume.")), name == "seed", Lock.EXCLUSIVE)
            for name, path in found.items()
        }

    def attach(self, *, nat: bool) -> None:
        """Have a card on a network in user mode."""
        network = UserNetwork("10.9.0.0/24", "10.9.0.1", nat)
        self.attachments = {"nic.0": Attachment("02:00:00:00:00:01", Address("vm.web"), ("10.9.0.2",), network)}

    def do(self, *words: Any, **more: Any) -> Work:
        work = self.work(*words, **more)
        assert self.driver.perform(work) == work.step.after
        return work

    def probe(self, *words: Any, **more: Any) -> Probe:
        return self.driver.probe(self.work(*words, **more))

    def power(self, kind: str, before: str, after: str) -> Work:
        return self.do(kind, before, after, part="power")

    def volume(self, name: str, size: int = 4 * MIB) -> Path:
        path = self.data / "volumes" / "shop" / f"{name}.raw"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        os.truncate(path, size)
        return path

    def see(self) -> dict[str, Part]:
        things = observing.observer(self.data).observe()
        return dict(things.things["shop"]["vm.web"].parts) if "shop" in things.things else {}

    @property
    def process(self) -> identity.Identity | None:
        return identity.running(self.data, "v1")

    @property
    def console(self) -> str:
        return folders.serial_log(self.data, "v1").read_text(errors="replace")

    def patient(self) -> driving.QemuDriver:
        """Return a driver that gives a guest all the time it has."""
        return driving.QemuDriver(self.data)

    def wait(self, condition: Callable[[], Any]) -> Any:
        return _wait(condition, 90.0)

    def clean(self) -> None:
        leftover_processes.end(self.data, "v1")
        shutil.rmtree(folders.runtime_root(self.data), ignore_errors=True)


@pytest.fixture(autouse=True)
def host_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no rules into the host of the tests; `tests/providers/vmm/test_loopback.py` does so in a namespace."""
    monkeypatch.setattr(loopback, "close", lambda _wanted=None: "")


@pytest.fixture
def machine() -> Callable[..., Part]:
    return make_machine


@pytest.fixture
def mib() -> int:
    return MIB


@pytest.fixture(scope="session")
def qemu() -> str:
    found = kvm_probe.find_program()
    if found is None:
        pytest.skip(f"needs {kvm_probe.missing()}")
    return found


@pytest.fixture(scope="module")
def make_bench(qemu: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Bench]]:
    """Make benches whose machines run the same way wherever the tests run, outside of any systemd, and end with the module."""
    made: list[Bench] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "has_systemd", lambda: False)
        patch.setattr(kvm_probe, "accelerate", lambda _program, *_, **__: kvm_probe.Acceleration(ACCELERATOR, "for a test"))

        def make() -> Bench:
            made.append(Bench(tmp_path_factory.mktemp("bench") / "data"))
            return made[-1]

        yield make
        for one in made:
            one.clean()


@pytest.fixture
def bench(make_bench: Callable[[], Bench]) -> Iterator[Bench]:
    made = make_bench()
    yield made
    made.clean()


@pytest.fixture(scope="module")
def make_part() -> Callable[..., Part]:
    return make_machine


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    return _wait


def _wait(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    until, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come true"
        pause.wait(0.02)
    return found
