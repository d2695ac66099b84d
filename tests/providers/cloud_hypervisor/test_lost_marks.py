"""A process of which no mark tells any more is left alone, and its mark is written again; more of this is tried with QEMU."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict
from herocloud.providers.vmm import folders, marks


def test_a_process_runs_whatever_its_mark_says(bench: Any) -> None:
    bench.running()
    process = bench.process
    marks.write(bench.data, "v1", marks.read(bench.data, "v1")._replace(booted=None))  # type: ignore[union-attr]
    assert bench.see() == {"machine": bench.machine(), "power": "running"}
    bench.power("vm.boot", "stopped", "running")
    assert bench.process == process


def test_a_mark_is_written_again_from_the_part_and_from_the_process(bench: Any) -> None:
    bench.running()
    process, before = bench.process, marks.read(bench.data, "v1")
    (folders.machine_folder(bench.data, "v1") / marks.FILE).unlink()
    with pytest.raises(Conflict, match=rf"its process {process.pid} still runs"):
        bench.do("vm.create", None, bench.machine())
    bench.do("vm.update", {**bench.machine(), "mark": "gone"}, bench.machine())
    assert marks.read(bench.data, "v1") == before
    assert bench.process == process
