"""A disk that was restored twice goes back step by step, and knows at each which restoring it is from."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Conflict

MIB = 1024**2
PATH = "vms/v1/root.raw"


def _restoring(name: str) -> dict[str, Any]:
    return {"origin": {"path": "vms/v1/snapshots/s1/disk.raw", "token": name}, "plan": name, "apply": name}


class Restored:
    """A disk that was written to and restored, twice over."""

    def __init__(self, bench: Any, raw: Path) -> None:
        self.bench = bench
        self.body = bench.disk(bench.image(raw))
        copy = bench.folder / "vms/v1/snapshots/s1/disk.raw"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(b"copy".ljust(8 * MIB, b"\0"))
        for written, name in ((b"first!", "r1"), (b"second", "r2")):
            with (bench.folder / PATH).open("r+b") as disk:
                disk.write(written)
            bench.perform(*self.step, **_restoring(name))

    @property
    def step(self) -> tuple[Any, ...]:
        return "disk.restore", "vm.web", "disk", self.body, self.body

    def read(self) -> bytes:
        return bytes((self.bench.folder / PATH).read_bytes()[:6].rstrip(b"\0"))

    def restored(self) -> str | None:
        return self.bench.thing("vm.web").restored.get("disk")  # type: ignore[no-any-return]


@pytest.fixture
def twice(bench: Any, raw: Path) -> Restored:
    return Restored(bench, raw)


def test_each_undoing_brings_back_what_its_restoring_replaced(twice: Restored) -> None:
    assert (twice.read(), twice.restored()) == (b"copy", "r2")
    twice.bench.undo(*twice.step, **_restoring("r2"))
    assert (twice.read(), twice.restored()) == (b"second", "r1")
    twice.bench.undo(*twice.step, **_restoring("r1"))
    assert (twice.read(), twice.restored()) == (b"first!", None)
    assert twice.bench.driver.tombstones() == []


def test_undoing_again_changes_nothing(twice: Restored) -> None:
    for _ in range(2):
        twice.bench.undo(*twice.step, **_restoring("r2"))
        assert (twice.read(), twice.restored()) == (b"second", "r1")


def test_the_older_restoring_is_not_undone_without_a_word(twice: Restored) -> None:
    with pytest.raises(Conflict, match="another restoring"):
        twice.bench.undo(*twice.step, **_restoring("r1"))
    assert twice.read() == b"copy"
    assert len(twice.bench.driver.tombstones()) == 2


@pytest.mark.parametrize("point", ["before:1", "half:1", "half:2", "after:1"])
@pytest.mark.parametrize("way", ["undo", "perform"])
def test_a_kill_forgets_no_restoring(twice: Restored, shapes: Any, way: str, point: str) -> None:
    undone = ["r2"] if way == "undo" else ["r3", "r2"]
    work = twice.bench.work(*twice.step, **_restoring(undone[0]))
    assert shapes.run_child(twice.bench, way, work, f"images.{'undo.' if way == 'undo' else ''}disk.restore.{point}")
    getattr(twice.bench, way)(*twice.step, **_restoring(undone[0]))
    for name in undone:
        twice.bench.undo(*twice.step, **_restoring(name))
    assert (twice.read(), twice.restored()) == (b"second", "r1")


def test_a_disk_that_was_deleted_and_came_back_knows_its_restoring(twice: Restored) -> None:
    deletion = "disk.delete", "vm.web", "disk", twice.body, None
    twice.bench.perform(*deletion)
    twice.bench.undo(*deletion)
    assert twice.restored() == "r2"
    twice.bench.undo(*twice.step, **_restoring("r2"))
    assert twice.read() == b"second"


def test_a_disk_that_grew_and_shrank_again_knows_its_restoring(twice: Restored) -> None:
    growing = "disk.grow", "vm.web", "disk", twice.body, {**twice.body, "size": 9 * MIB}
    twice.bench.perform(*growing)
    assert twice.restored() == "r2"
    twice.bench.undo(*growing)
    assert twice.restored() == "r2"
