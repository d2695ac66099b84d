"""A process that is killed at any named point leaves a world that a probe understands and that performing or undoing heals.

A child process plays one long story in which every kind of step comes up, and dies at the point; this process then takes over.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from herocloud.model.steps import beside
from herocloud.providers.seam import Found
from herocloud.providers.simulator import driving, world

GIB = 1024**3

_CHILD = """
import json, sys
from pathlib import Path
from herocloud.model.steps import Step
from herocloud.providers.seam import Work
from herocloud.providers.simulator import driving

driver = driving.open_world(Path(sys.argv[1]))
verb, first = sys.argv[2], int(sys.argv[3])
for number, story in list(enumerate(json.load(sys.stdin)))[first:]:
    print(number, flush=True)
    work = Work(Step(**story), "shop", {}, "ours", "p1")
    getattr(driver, verb)(work)
    if verb == "undo":
        break
"""


_FROM = {"stack": "shop", "address": "vm.web", "snapshot": "one", "token": "one-1"}
ORIGINS = {
    "disk.copy": {**_FROM, "disk": "disk"},
    "disk.restore": {**_FROM, "disk": "disk"},
    "volume.copy": {**_FROM, "disk": "volume.data"},
    "volume.restore": {**_FROM, "disk": "volume.data"},
    "vm.revive": {**_FROM, "disk": ""},
}


def _tell_story() -> Iterator[tuple[str, str, str, Any, Any]]:
    """Yield kind, address, part, before and after of every step: each kind of the simulator comes up at least once."""
    disk = {"size": 10 * GIB, "path": "vms/v1/root.raw", "image": "debian", "source": "https://example.org/debian.raw"}
    nic = {"network": "lan", "mac": "52:54:00:00:00:01", "address": "10.42.0.2", "tap": "ht1-0", "rate": None}
    seed = {"instance": "v1-0", "digest": "0", "path": "vms/v1/seed.iso"}
    volume = {"size": 20 * GIB, "path": "volumes/shop/data.raw"}
    network = {"cidr": "10.42.0.0/24", "bridge": "hb-lan", "nat": False}
    node, peer = {"addresses": True, "subnet": "45a::/64"}, {"endpoint": "tcp://192.0.2.1:9651"}
    image = {"source": disk["source"], "sha256": None}
    machine = {"vcpus": 1, "max_vcpus": 4, "memory": 4 * GIB, "boot_memory": 4 * GIB, "hotplug": 4 * GIB, "root": {}, "seed": "v1-0",
               "nics": ["nic.0"], "volumes": [], "labels": {}}  # fmt: skip
    resized = {**machine, "memory": 6 * GIB}
    attached = {**resized, "volumes": [{"volume": "data", "readonly": False}]}
    labelled, configured = {**resized, "labels": {"tier": "web"}}, {**resized, "max_vcpus": 8}
    yield from (("image.fetch", "image.debian", "image", None, image), ("network.create", "network.lan", "network", None, network))
    yield ("network.update", "network.lan", "network", network, {**network, "nat": True})
    yield ("overlay.enable", "mycelium.node", "overlay", None, node)
    yield ("peer.add", f"peer.{peer['endpoint']}", "peer", None, peer)
    yield ("volume.create", "volume.data", "volume", None, volume)
    yield ("volume.grow", "volume.data", "volume", volume, {**volume, "size": 30 * GIB})
    yield ("disk.create", "vm.web", "disk", None, disk)
    yield ("disk.grow", "vm.web", "disk", disk, {**disk, "size": 15 * GIB})
    yield from (("seed.write", "vm.web", "seed", None, seed), ("tap.create", "vm.web", "nic.0", None, nic))
    yield ("vm.create", "vm.web", "machine", None, machine)
    yield ("vm.boot", "vm.web", "power", "stopped", "running")
    yield ("vm.resize", "vm.web", "machine", machine, resized)
    yield from (("vm.attach", "vm.web", "machine", resized, attached), ("vm.detach", "vm.web", "machine", attached, resized))
    yield ("vm.grow", "vm.web", "disk", {**disk, "size": 15 * GIB}, {**disk, "size": 18 * GIB})
    yield ("tap.update", "vm.web", "nic.0", nic, {**nic, "rate": {"download": 1000, "upload": None}})
    yield ("vm.update", "vm.web", "machine", resized, labelled)
    yield from (("vm.pause", "vm.web", "power", "running", "paused"), ("vm.resume", "vm.web", "power", "paused", "running"))
    yield from _tell_of_snapshots(disk, volume, attached)
    yield ("vm.stop", "vm.web", "power", "running", "stopped")
    yield ("vm.configure", "vm.web", "machine", labelled, configured)
    yield ("vm.move", "vm.www", "mark", {"address": "vm.web"}, {"address": "vm.www"})
    yield ("volume.move", "volume.db", "mark", {"address": "volume.data"}, {"address": "volume.db"})
    slow = {**nic, "rate": {"download": 1000, "upload": None}}
    yield ("network.move", "network.front", "mark", {"address": "network.lan"}, {"address": "network.front"})
    yield ("tap.update", "vm.www", "nic.0", slow, {**slow, "network": "front"})
    yield from (
        ("vm.delete", "vm.www", "machine", configured, None),
        ("tap.delete", "vm.www", "nic.0", {**slow, "network": "front"}, None),
    )
    yield from (("seed.delete", "vm.www", "seed", seed, None), ("disk.delete", "vm.www", "disk", {**disk, "size": 18 * GIB}, None))
    prepared, unwanted = beside(disk), beside({**disk, "size": 12 * GIB})
    yield from (("disk.prepare", "vm.www", "disk.new", None, unwanted), ("disk.discard", "vm.www", "disk.new", unwanted, None))
    yield from (("seed.prepare", "vm.www", "seed.new", None, beside(seed)), ("seed.discard", "vm.www", "seed.new", beside(seed), None))
    yield from (("disk.prepare", "vm.www", "disk.new", None, prepared), ("disk.place", "vm.www", "disk", None, disk))
    yield from (("seed.prepare", "vm.www", "seed.new", None, beside(seed)), ("seed.place", "vm.www", "seed", None, seed))
    yield from _tell_of_discards({**machine, "nics": []}, volume, network, image, {**nic, "network": "front", "tap": "hc-v1-1"})
    yield from (("seed.delete", "vm.www", "seed", seed, None), ("disk.delete", "vm.www", "disk", disk, None))
    yield ("volume.delete", "volume.db", "volume", {**volume, "size": 30 * GIB}, None)
    yield from (
        ("peer.remove", f"peer.{peer['endpoint']}", "peer", peer, None),
        ("overlay.disable", "mycelium.node", "overlay", node, None),
    )
    yield ("network.delete", "network.front", "network", {**network, "nat": True}, None)
    yield ("image.delete", "image.debian", "image", image, None)


def _tell_of_discards(machine: Any, volume: Any, network: Any, image: Any, nic: Any) -> Iterator[tuple[str, str, str, Any, Any]]:
    rest, other = {**volume, "path": "volumes/shop/rest.raw"}, {**network, "bridge": "hb-other", "cidr": "10.43.0.0/24"}
    yield from (("vm.create", "vm.www", "machine", None, machine), ("vm.discard", "vm.www", "machine", machine, None))
    yield from (("volume.create", "volume.rest", "volume", None, rest), ("volume.discard", "volume.rest", "volume", rest, None))
    yield ("network.create", "network.other", "network", None, other)
    yield ("network.discard", "network.other", "network", other, None)
    yield from (("image.fetch", "image.other", "image", None, image), ("image.discard", "image.other", "image", image, None))
    yield from (("tap.create", "vm.www", "nic.1", None, nic), ("tap.discard", "vm.www", "nic.1", nic, None))


def _tell_of_snapshots(disk: Any, volume: Any, machine: Any) -> Iterator[tuple[str, str, str, Any, Any]]:
    disk, volume = {**disk, "size": 18 * GIB}, {**volume, "size": 30 * GIB}
    held = [{"disk": "disk", "size": 18 * GIB}, {"disk": "volume.data", "size": 30 * GIB}]
    plain = {"path": "vms/v1/snapshots/one", "created": 1, "power": "running", "size": 48 * GIB, "disks": held, "memory": None}
    memory = {"size": 6 * GIB, "hypervisor": "simulator", "version": "1", "machine": machine}
    saved = {**plain, "memory": memory, "size": 54 * GIB}
    yield ("vm.freeze", "vm.web", "power", "running", "paused")
    yield ("snapshot.create", "vm.web", "snapshot.one", None, plain)
    yield ("snapshot.save", "vm.web", "snapshot.one", plain, saved)
    yield ("vm.thaw", "vm.web", "power", "paused", "running")
    yield ("vm.stop", "vm.web", "power", "running", "stopped")
    yield ("disk.restore", "vm.web", "disk", disk, disk)
    yield ("volume.restore", "volume.data", "volume", volume, volume)
    yield ("vm.revive", "vm.web", "power", "stopped", "running")
    yield ("disk.copy", "vm.copy", "disk", None, {**disk, "path": "vms/v2/root.raw"})
    yield ("volume.copy", "volume.copy", "volume", None, {**volume, "path": "volumes/shop/copy.raw"})
    yield ("snapshot.delete", "vm.web", "snapshot.one", saved, None)


STORY = list(_tell_story())


def _perform(bench: Any, step: tuple[str, str, str, Any, Any]) -> None:
    bench.perform(*step, origin=ORIGINS.get(step[0]))


class Told(NamedTuple):
    """The story told without a crash: what the world was before each step, and a folder with each of these worlds."""

    snapshots: list[world.Snapshot]
    folders: list[Path]


@pytest.fixture(scope="module")
def told(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("told")
    snapshots, folders = [], []
    for number in range(len(STORY) + 1):
        bench = shapes.Bench(folder / str(number))
        if number:
            _perform(bench, STORY[number - 1])
        snapshots.append(bench.snapshot())
        bench.driver.close()
        folders.append(folder / str(number))
        shutil.copytree(folder / str(number), folder / str(number + 1))
    return Told(snapshots, folders)


def _kill(folder: Path, point: str, verb: str, first: int) -> int:
    """Let a child die at the point; returns the number of the step it was at."""
    steps = [{"id": f"{address}/{kind}", "address": address, "kind": kind, "provider": "simulator", "part": part, "before": before,
              "after": after, "origin": ORIGINS.get(kind)}
             for kind, address, part, before, after in STORY]  # fmt: skip
    environment = {**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"}
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder), verb, str(first)],
        input=json.dumps(steps), capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert ran.returncode == -9, f"{point} was never reached: {ran.stderr}"
    return int(ran.stdout.split()[-1])


def _same(one: world.Snapshot, other: world.Snapshot) -> bool:
    """Compare worlds but for the tokens of data, which no two runs share, and tombstones, which are named after them."""

    def plain(snapshot: world.Snapshot) -> Any:
        things = {key: [*thing[:4], sorted(thing[4])] for key, thing in snapshot.things.items()}
        return things, snapshot.claims, snapshot.uses, snapshot.totals, sorted(snapshot.tombstones.values())

    return bool(plain(one) == plain(other))


def test_the_story_has_every_kind_of_step() -> None:
    assert {kind for kind, *_rest in STORY} == set(driving.PERFORMED)


@pytest.mark.parametrize("point", [point for point in driving.FAULT_POINTS if ".undo." not in point])
def test_a_kill_while_performing_is_healed_in_both_directions(shapes: Any, told: Told, tmp_path: Path, point: str) -> None:
    kind, moment = point.removeprefix("simulator.").rsplit(".", 1)
    number = next(index for index, step in enumerate(STORY) if step[0] == kind)
    shutil.copytree(told.folders[number], tmp_path / "forward")
    assert _kill(tmp_path / "forward", point, "perform", number) == number
    shutil.copytree(tmp_path / "forward", tmp_path / "back")

    bench = shapes.Bench(tmp_path / "forward")
    expected = {"before": Found.NOT_STARTED, "half": Found.PARTIAL, "after": Found.DONE}[moment]
    assert bench.probe(*STORY[number], origin=ORIGINS.get(kind)).found is expected
    for step in STORY[number:]:
        _perform(bench, step)
    assert _same(bench.snapshot(), told.snapshots[-1])
    bench.driver.close()

    bench = shapes.Bench(tmp_path / "back")
    bench.undo(*STORY[number], origin=ORIGINS.get(kind))
    assert _same(bench.snapshot(), told.snapshots[number])
    bench.driver.close()


@pytest.mark.parametrize("point", [point for point in driving.FAULT_POINTS if ".undo." in point])
def test_a_kill_while_undoing_is_healed_by_undoing_again(shapes: Any, told: Told, tmp_path: Path, point: str) -> None:
    kind = point.removeprefix("simulator.undo.").rsplit(".", 1)[0]
    number = next(index for index, step in enumerate(STORY) if step[0] == kind)
    shutil.copytree(told.folders[number + 1], tmp_path / "data")
    _kill(tmp_path / "data", point, "undo", number)
    bench = shapes.Bench(tmp_path / "data")
    bench.undo(*STORY[number], origin=ORIGINS.get(kind))
    assert _same(bench.snapshot(), told.snapshots[number])
    bench.driver.close()
