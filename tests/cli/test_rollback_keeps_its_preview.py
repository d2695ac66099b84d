"""What is shown before an apply is taken back is what happens then: no less, no more, and nothing stays beside."""

import json
import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

BEFORE = """\
stack: shop
images:
  old: {source: "https://example.org/old.qcow2", unpinned: true, format: qcow2}
  new: {source: "https://example.org/new.qcow2", unpinned: true, format: qcow2}
networks: {lan: {cidr: 10.42.0.0/24}}
volumes: {data: {size: 10 GiB}, logs: {size: 5 GiB}, scratch: {size: 1 GiB}}
vms:
  db: {image: old, memory: 2 GiB, networks: [lan], volumes: [data]}
  web: {image: old, memory: 2 GiB, networks: [lan], count: 2, depends_on: [vm.db]}
  log: {image: old, memory: 2 GiB, networks: [lan], volumes: [logs]}
  gone: {image: old, memory: 2 GiB, volumes: [scratch]}
"""
AFTER = """\
stack: shop
images:
  old: {source: "https://example.org/old.qcow2", unpinned: true, format: qcow2}
  new: {source: "https://example.org/new.qcow2", unpinned: true, format: qcow2}
networks: {lan: {cidr: 10.42.0.0/24}}
volumes: {data: {size: 10 GiB}}
vms:
  db: {image: new, memory: 2 GiB, networks: [lan], volumes: [data]}
  web: {image: new, memory: 2 GiB, networks: [lan], count: 2, depends_on: [vm.db]}
  log: {image: old, memory: 2 GiB, networks: [lan]}
"""


class Told(NamedTuple):
    """What was said of one address before."""

    steps: int
    comes_back: bool


class Cut:
    """The replacement and removal of VMs, cut off by a kill."""

    def __init__(self, herocloud: Any, spawn: Any) -> None:
        self.herocloud, self._spawn = herocloud, spawn
        herocloud.write(BEFORE)
        herocloud.done("apply", "-y", "-q")
        herocloud.write(AFTER)

    def apply(self, point: str, *flags: str) -> None:
        """Apply the new file and be killed at this point."""
        process = self._spawn("apply", "-y", "-q", *flags, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point} was not reached"

    def preview(self) -> dict[str, Told]:
        """Return what the preview of the rollback says of each address."""
        events = [json.loads(line) for line in self.herocloud("resume", "--rollback", "--json").out.splitlines()]
        (left,) = [event["unfinished"]["left"] for event in events if event["type"] == "unfinished"]
        return {one["address"]: Told(one["steps"], one["comes_back"]) for one in left}

    def take_back(self) -> tuple[Counter[str], set[str]]:
        """Take it back; returns how many steps of each address were taken back, and of which address some were not."""
        ran = self.herocloud("resume", "--rollback", "-y", "--json")
        events = [json.loads(line) for line in ran.out.splitlines()]
        back = Counter(event["address"] for event in events if event["type"] == "apply_complete")
        kept = {event["address"] for event in events if event["type"] in ("apply_errored", "apply_skipped")}
        assert ran.code in ((1, 13) if kept else (0,)), ran.both
        return back, kept

    def parts(self) -> dict[str, set[str]]:
        """Return the parts of each VM and volume in the simulated world, and refuse halves."""
        world = sqlite3.connect(self.herocloud.data_folder / "simulator.db")
        try:
            rows = world.execute("SELECT address, parts, halves FROM things").fetchall()
        finally:
            world.close()
        assert [address for address, _, halves in rows if halves != "{}"] == []
        return {address: set(json.loads(parts)) for address, parts, _ in rows if address.startswith(("vm.", "volume."))}


@pytest.fixture
def cut(herocloud: Any, spawn: Any) -> Cut:
    return Cut(herocloud, spawn)


WHOLE = {"disk", "seed", "machine", "power"}


def test_a_purged_disk_keeps_no_other_vm_from_coming_back(cut: Cut) -> None:
    whole = cut.parts()
    cut.apply("simulator.disk.delete.after:1", "--purge", "--target", "vm.web", "--target", "vm.db")
    (lost,) = [address for address, told in cut.preview().items() if not told.comes_back]
    cut.take_back()
    now = cut.parts()
    assert {address: parts for address, parts in now.items() if address != lost} == {a: p for a, p in whole.items() if a != lost}
    assert not now.get(lost), "neither what took its place nor what belonged to it stays"


def test_a_purged_volume_keeps_its_vm_running_without_it(cut: Cut) -> None:
    cut.apply("simulator.volume.delete.after:1", "--purge", "--target", "vm.log", "--target", "volume.logs")
    shown = cut.herocloud("resume", "--rollback").out
    assert "vm.log        update live · not taken back: `volume.logs` cannot come back" in shown
    back, kept = cut.take_back()
    assert (dict(back), kept) == ({}, {"vm.log", "volume.logs"})
    assert cut.parts()["vm.log"] >= WHOLE
    shown = _plan_before(cut)
    assert "+ volume.logs" in shown
    assert "~ vm.log        update live" in shown, shown


def _plan_before(cut: Cut) -> str:
    cut.herocloud.write(BEFORE)
    return str(cut.herocloud.done("plan").out)


@pytest.mark.parametrize("purge", [True, False], ids=["purging", "keeping"])
def test_wherever_an_apply_is_killed_its_rollback_does_what_its_preview_says(
    cut: Cut, *, purge: bool, tmp_path: Path, each_point: Callable[[bool], list[str]]
) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(cut.herocloud.data_folder, saved)
    whole = cut.parts()
    for point in each_point(purge):
        shutil.rmtree(cut.herocloud.data_folder)
        shutil.copytree(saved, cut.herocloud.data_folder)
        cut.apply(point, *(["--purge"] if purge else []))
        told = cut.preview()
        back, kept = cut.take_back()
        assert dict(back) == {address: one.steps for address, one in told.items() if one.steps}, point
        assert kept == {address for address, one in told.items() if not one.comes_back}, point
        assert purge or not kept, point
        now = cut.parts()
        for address, parts in whole.items():
            if address not in kept:
                assert now.get(address) == parts, f"{address} is not as before ({point})"
        assert not [part for parts in now.values() for part in parts if part.endswith(".new")], point


@pytest.fixture
def each_point() -> Callable[[bool], list[str]]:
    """Return a function that names points all along the apply, of every third step, around performing and journalling it."""

    def points(purge: bool) -> list[str]:  # noqa: FBT001  (the one thing that differs)
        names = ("apply.perform.after", "apply.outcome.before", "apply.intent.after")
        return [f"{names[number % 3]}:{number}" for number in range(1 if purge else 4, 42, 4 if purge else 12)]

    return points
