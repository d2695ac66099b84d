"""Taking back the growth of a disk that a running guest knows never cuts off what the guest may have written behind the old end."""

import os
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.seam import Found

MIB = 1024**2
PRECIOUS = b"precious"


def _write(path: Path, at: int) -> None:
    with path.open("r+b") as disk:
        disk.seek(at)
        disk.write(PRECIOUS)


def _read(path: Path, at: int) -> bytes:
    with path.open("rb") as disk:
        disk.seek(at)
        return disk.read(len(PRECIOUS))


def _grown_volume(bench: Any) -> tuple[Path, Any]:
    """Grow the file of a volume and tell the guest, as an apply does; returns the file and the step that told."""
    use = {"volume": "data", "readonly": False, "size": 4 * MIB}
    path = bench.volume("data", 4 * MIB)
    bench.running(volumes=[use])
    before = bench.see()["machine"]
    os.truncate(path, 8 * MIB)
    return path, bench.do("vm.update", before, {**before, "volumes": [{**use, "size": 8 * MIB}]})


def test_a_volume_keeps_its_size_and_its_data(bench: Any) -> None:
    path, told = _grown_volume(bench)
    _write(path, 6 * MIB)
    bench.driver.undo(told)
    assert path.stat().st_size == 8 * MIB
    assert _read(path, 6 * MIB) == PRECIOUS
    bench.power("vm.stop", "running", "stopped")
    assert path.stat().st_size == 8 * MIB


def test_the_telling_counts_as_written_so_the_provider_of_the_volume_refuses(bench: Any) -> None:
    use = {"volume": "data", "readonly": False, "size": 4 * MIB}
    path = bench.volume("data", 4 * MIB)
    bench.running(volumes=[use])
    before = bench.see()["machine"]
    os.truncate(path, 8 * MIB)
    long_ago = 10**18
    os.utime(path, ns=(long_ago, long_ago))
    bench.do("vm.update", before, {**before, "volumes": [{**use, "size": 8 * MIB}]})
    assert path.stat().st_mtime_ns != long_ago


@pytest.mark.parametrize("power", ["running", "stopped"])
def test_the_root_disk_keeps_its_size_and_that_is_said(bench: Any, power: str) -> None:
    path = bench.root(8 * MIB)
    bench.running(root={"direct": False, "rate": None})
    grown = bench.do("vm.grow", {"size": 8 * MIB}, {"size": 16 * MIB}, part="disk")
    _write(path, 12 * MIB)
    if power == "stopped":
        bench.power("vm.stop", "running", "stopped")
    with pytest.raises(Permanent, match=r"its root disk grew to 16 MiB, so the new room may be in use\. The disk stays that large\."):
        bench.driver.undo(grown)
    assert path.stat().st_size == 16 * MIB
    assert _read(path, 12 * MIB) == PRECIOUS
    assert bench.driver.probe(grown).found is Found.DONE


def test_a_growth_that_never_came_about_is_taken_back(bench: Any) -> None:
    path = bench.root(8 * MIB)
    bench.running(root={"direct": False, "rate": None})
    bench.driver.undo(bench.work("vm.grow", {"size": 8 * MIB}, {"size": 16 * MIB}, part="disk"))
    assert path.stat().st_size == 8 * MIB
