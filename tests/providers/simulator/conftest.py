"""A simulated host to work on by hand, step by step, in the shapes that plans have."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.steps import Step
from herocloud.model.worlds import Observed, Thing
from herocloud.providers.seam import Probe, Work
from herocloud.providers.simulator import driving, observing, world

GIB = 1024**3


class Bench:
    """One simulated host; steps are performed on it without any plan."""

    def __init__(self, folder: Path, host: Host | None = None, scenario: Path | None = None, stack: str = "shop") -> None:
        self.folder = folder
        self.stack = stack
        self.host = host
        self.scenario = scenario
        self.driver = driving.open_world(folder, host, scenario=scenario)
        self._numbers = itertools.count(1)

    def work(self, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Work:
        """Put a step together; `more` goes to the work around it."""
        step = Step(StepId(f"{address}/{kind}"), Address(address), kind, "simulator", part, before, after, origin=more.pop("origin", None))
        return Work(**{"step": step, "stack": StackName(self.stack), "spec": {}, "lineage": "ours", "plan": "p1", **more})

    def perform(self, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Any:
        return self.driver.perform(self.work(kind, address, part, before, after, **more))

    def probe(self, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> Probe:
        return self.driver.probe(self.work(kind, address, part, before, after, **more))

    def undo(self, kind: str, address: str, part: str, before: Any, after: Any, **more: Any) -> None:
        self.driver.undo(self.work(kind, address, part, before, after, **more))

    def change(self, kind: str, address: str, part: str, **fields: Any) -> Any:
        """Perform a change of some fields of a part as it is now."""
        before = self.part(address, part)
        return self.perform(kind, address, part, before, {**before, **fields})

    def power(self, kind: str, address: str, after: str) -> Any:
        return self.perform(kind, address, "power", self.part(address, "power"), after)

    def look(self) -> Observed:
        return observing.SimulatorObserver(self.folder, scenario=self.scenario).observe(None)

    def thing(self, address: str) -> Thing | None:
        return self.look().things.get(StackName(self.stack), {}).get(Address(address))

    def part(self, address: str, part: str) -> Any:
        thing = self.thing(address)
        return None if thing is None else thing.parts.get(part)

    def snapshot(self) -> world.Snapshot:
        return world.snapshot(self.folder)

    def image(self, name: str = "debian") -> None:
        self.perform("image.fetch", f"image.{name}", "image", None, {"source": f"https://example.org/{name}.raw", "sha256": None})

    def network(self, name: str = "lan") -> None:
        after = {"cidr": "10.42.0.0/24", "gateway": "10.42.0.1", "nat": True, "isolated": False, "forward": [], "bridge": f"hb-{name}"}
        self.perform("network.create", f"network.{name}", "network", None, after)

    def volume(self, name: str = "data", size: int = 20 * GIB) -> None:
        self.perform("volume.create", f"volume.{name}", "volume", None, volume(name, size))

    def vm(self, address: str = "vm.web", *, boot: bool = True, **machine_fields: Any) -> dict[str, Any]:
        """Make a whole VM with a disk, a seed and a card on `lan`; the image and the network are made when they are missing."""
        if self.thing("image.debian") is None:
            self.image()
        if self.thing("network.lan") is None:
            self.network()
        parts = vm_parts(next(self._numbers), **machine_fields)
        self.perform("disk.create", address, "disk", None, parts["disk"])
        self.perform("seed.write", address, "seed", None, parts["seed"])
        self.perform("tap.create", address, "nic.0", None, parts["nic.0"])
        self.perform("vm.create", address, "machine", None, parts["machine"])
        if boot:
            self.perform("vm.boot", address, "power", "stopped", "running")
        return parts


def volume(name: str = "data", size: int = 20 * GIB) -> dict[str, Any]:
    return {"size": size, "path": f"volumes/shop/{name}.raw"}


def vm_parts(number: int, **machine_fields: Any) -> dict[str, Any]:
    return {
        "disk": {"size": 10 * GIB, "path": f"vms/v{number}/root.raw", "image": "debian", "source": "https://example.org/debian.raw"},
        "seed": {"instance": f"v{number}-00000000", "digest": "0", "path": f"vms/v{number}/seed.iso"},
        "nic.0": {
            "network": "lan",
            "mac": f"52:54:00:00:00:{number:02x}",
            "address": f"10.42.0.{number + 1}",
            "tap": f"ht{number}-0",
            "rate": None,
        },
        "machine": machine(number, **machine_fields),
    }


def machine(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "sid": f"v{number}", "vcpus": 1, "max_vcpus": 4, "affinity": None, "topology": None,
        "memory": 4 * GIB, "boot_memory": 4 * GIB, "hotplug": 4 * GIB, "hugepages": False, "mergeable": False,
        "root": {"direct": True, "rate": None}, "volumes": [], "shares": [], "nics": ["nic.0"], "payload": None,
        "seed": f"v{number}-00000000", "labels": {}, "restart": "no", **fields,
    }  # fmt: skip


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Return a maker of benches, which are closed at the end of the test."""
    made: list[Bench] = []

    def make(folder: Path | None = None, **options: Any) -> Bench:
        made.append(Bench(folder or tmp_path / "data", **options))
        return made[-1]

    yield make
    for one in made:
        one.driver.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """Return a bench whose host has no limits and no scenario."""
    return make_bench()


@pytest.fixture(scope="session")
def shapes() -> Any:
    """Return this module, for tests that need a part's shape beside the bench."""
    import types

    return types.SimpleNamespace(volume=volume, vm_parts=vm_parts, machine=machine, GIB=GIB, Bench=Bench)
