"""Laws that hold in every world that any sequence of steps can reach.

Each example plays a random game of steps on a small universe, many of them impossible on purpose, and then tries one more step.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herocloud.model.errors import HerocloudError
from herocloud.model.hosts import Host
from herocloud.providers.seam import Found, Work
from herocloud.providers.simulator import claims as simulator_claims
from herocloud.providers.simulator import world

pytestmark = pytest.mark.world

GIB = 1024**3
HOST = Host("small", memory=10 * GIB, disk=60 * GIB, disk_free=60 * GIB, cpus=4, slices=())

MOVES: tuple[tuple[str, str], ...] = (
    ("image.fetch", "image"), ("image.delete", "image"), ("network.create", "network"), ("network.update", "network"),
    ("network.delete", "network"), ("volume.create", "volume"), ("volume.grow", "volume"), ("volume.delete", "volume"),
    ("disk.create", "disk"), ("disk.grow", "disk"), ("vm.grow", "disk"), ("disk.delete", "disk"), ("seed.write", "seed"),
    ("seed.delete", "seed"), ("tap.create", "nic.0"), ("tap.update", "nic.0"), ("tap.delete", "nic.0"), ("vm.create", "machine"),
    ("vm.configure", "machine"), ("vm.resize", "machine"), ("vm.attach", "machine"), ("vm.detach", "machine"), ("vm.update", "machine"),
    ("vm.delete", "machine"), ("vm.boot", "power"), ("vm.stop", "power"), ("vm.pause", "power"), ("vm.resume", "power"),
    ("overlay.enable", "overlay"), ("overlay.disable", "overlay"), ("peer.add", "peer"), ("peer.remove", "peer"), ("vm.move", "mark"),
)  # fmt: skip

PLACES = {
    "image": "image.debian",
    "network": "network.lan",
    "volume": "volume.data",
    "overlay": "mycelium.node",
    "peer": "peer.tcp://192.0.2.1:1",
}
POWER = {"vm.boot": "running", "vm.stop": "stopped", "vm.pause": "paused", "vm.resume": "running"}

# Building first makes interesting worlds likely; then anything goes.
BUILD = [
    (index, vm, 0)
    for vm in (0, 1)
    for index, (kind, _part) in enumerate(MOVES)
    if kind in ("image.fetch", "network.create", "volume.create", "disk.create", "seed.write", "tap.create", "vm.create")
]
games = st.lists(st.tuples(st.integers(0, len(MOVES) - 1), st.integers(0, 1), st.integers(0, 5)), max_size=14)


@contextmanager
def _playing(shapes: Any, built: int, game: list[tuple[int, int, int]]) -> Iterator[Any]:
    folder = Path(tempfile.mkdtemp())
    bench = shapes.Bench(folder, HOST)
    try:
        for move in [*BUILD[:built], *game]:
            _try(bench, _work(bench, shapes, *move))
        yield bench
    finally:
        bench.driver.close()
        shutil.rmtree(folder)


def _work(bench: Any, shapes: Any, move: int, vm: int, choice: int) -> Work:
    kind, part = MOVES[move]
    if part == "mark":
        work: Work = bench.work(kind, f"vm.{'ba'[vm]}", part, {"address": f"vm.{'ab'[vm]}"}, {"address": f"vm.{'ba'[vm]}"})
        return work
    address = PLACES.get(part, f"vm.{'ab'[vm]}")
    before = bench.part(address, part)
    made: Work = bench.work(kind, address, part, before, _after(shapes, kind, part, vm, choice, before))
    return made


def _after(shapes: Any, kind: str, part: str, vm: int, choice: int, before: Any) -> Any:
    verb = kind.partition(".")[2]
    if verb in ("delete", "disable", "remove"):
        return None
    if part == "power":
        return POWER[kind]
    fresh = {
        "image": {"source": "https://example.org/debian.raw"},
        "network": {"cidr": f"10.{choice}.0.0/16", "bridge": "hb-lan"},
        "volume": shapes.volume(size=(choice + 5) * GIB),
        "overlay": {"addresses": True, "subnet": "45a::/64"},
        "peer": {"endpoint": "tcp://192.0.2.1:1"},
        **shapes.vm_parts(vm + 1),
    }[part]
    if part == "disk":
        return {**(before or fresh), "size": (choice + 5) * GIB}
    if part == "nic.0":
        # Now and then both VMs want the same tap, MAC and address.
        return {**(before or shapes.vm_parts(1 if choice == 5 else vm + 1)["nic.0"]), "rate": choice or None}
    if part == "machine":
        volumes = [{"volume": "data", "readonly": choice == 3}] if choice > 2 else []
        return {**(before or fresh), "memory": (4 + choice % 3) * GIB, "vcpus": 1 + choice, "volumes": volumes}
    return fresh


def _try(bench: Any, work: Work) -> bool:
    try:
        bench.driver.perform(work)
    except HerocloudError:
        return False
    return True


def _without_tombstones(snapshot: world.Snapshot) -> world.Snapshot:
    totals = {**snapshot.totals, "disk": snapshot.totals["disk"] - sum(snapshot.tombstones.values())}
    return snapshot._replace(tombstones={}, totals=totals)


def _add_up(snapshot: world.Snapshot) -> tuple[dict[str, str], set[tuple[str, str, str]], dict[str, int]]:
    claims, uses, totals = {}, set(), {"memory": 0, "disk": sum(snapshot.tombstones.values())}
    for key, (_lineage, _provider, parts, _halves, _contents) in snapshot.things.items():
        stack, _, address = key.partition("/")
        for part, body in parts.items():
            wired = simulator_claims.wire(stack, address, part, body)
            claims.update(dict.fromkeys(wired.claims, f"{key}/{part}/1"))
            uses |= {(use.target, f"{key}/{part}", use.mode) for use in wired.uses}
            totals["memory"] += wired.memory
            totals["disk"] += wired.disk
    return claims, uses, totals


@settings(max_examples=120, deadline=None)
@given(built=st.integers(0, len(BUILD)), game=games)
def test_the_books_agree_with_the_things_and_with_the_hardware(shapes: Any, built: int, game: list[tuple[int, int, int]]) -> None:
    with _playing(shapes, built, game) as bench:
        snapshot = bench.snapshot()
    claims, uses, totals = _add_up(snapshot)
    assert (snapshot.claims, set(snapshot.uses), snapshot.totals) == (claims, uses, totals)
    assert totals["memory"] <= HOST.memory
    assert totals["disk"] <= HOST.disk


@settings(max_examples=250, deadline=None)
@given(built=st.integers(0, len(BUILD)), game=games, move=st.tuples(st.integers(0, len(MOVES) - 1), st.integers(0, 1), st.integers(0, 5)))
def test_a_step_is_done_once_and_undone_without_a_trace(
    shapes: Any, built: int, game: list[tuple[int, int, int]], move: tuple[int, int, int]
) -> None:
    with _playing(shapes, built, game) as bench:
        work = _work(bench, shapes, *move)
        before = bench.snapshot()
        if not _try(bench, work):
            assert bench.snapshot() == before, "a refused step changed the world"
            return
        after = bench.snapshot()
        assert bench.driver.probe(work).found is Found.DONE
        assert _try(bench, work)
        assert bench.snapshot() == after, "performing again changed the world"
        if after == before:
            # It was done before it began (a rename to the name a thing has): there is nothing to take back.
            return
        bench.driver.undo(work)
        assert _without_tombstones(bench.snapshot()) == _without_tombstones(before), json.dumps(work.step)
        assert bench.driver.probe(work).found is Found.NOT_STARTED
        bench.driver.undo(work)
        assert _without_tombstones(bench.snapshot()) == _without_tombstones(before)
