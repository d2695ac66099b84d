"""A process of which no mark tells any more is left alone: nothing is made, started or removed over it, and its mark is written again."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.qemu import observing
from herocloud.providers.recollections import Memory, Remembered
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders, identity, launch, marks


class _Known(Memory):
    """A state that knows the VM of the bench."""

    def __init__(self, machine: Any) -> None:
        self._known = Remembered("shop", "vm.web", "lineage-1", "qemu", machine)

    def of_sid(self, sid: str) -> Remembered | None:
        return self._known if sid == "v1" else None


@pytest.fixture
def body(bench, machine) -> Any:
    """Run a VM, and return its machine."""
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    return machine()


def _mark(bench) -> Any:
    return folders.machine_folder(bench.data, "v1") / marks.FILE


def test_a_process_runs_whatever_its_mark_says(bench, body) -> None:
    process = bench.process
    marks.write(bench.data, "v1", marks.read(bench.data, "v1")._replace(booted=None))
    assert bench.see() == {"machine": body, "power": "running"}
    assert bench.probe("vm.boot", "stopped", "running", part="power").found is Found.DONE
    bench.power("vm.boot", "stopped", "running")
    assert bench.process == process
    bench.power("vm.stop", "running", "stopped")
    assert bench.process is None


def test_nothing_is_made_booted_or_stopped_over_a_process_without_a_mark(bench, body) -> None:
    process = bench.process
    _mark(bench).unlink()
    kept = sorted(path.name for path in _mark(bench).parent.iterdir())
    for words in (("vm.create", None, body), ("vm.boot", "stopped", "running", "power"), ("vm.stop", "running", "stopped", "power")):
        with pytest.raises(Conflict, match=rf"`vm\.web` has lost its mark, and its process {process.pid} still runs; put the mark back"):
            bench.do(*words)
    assert sorted(path.name for path in _mark(bench).parent.iterdir()) == kept
    assert bench.process == process


@pytest.mark.parametrize("how", ["removed", "changed"])
def test_a_mark_is_written_again_from_the_part_and_from_the_process(bench, body, how: str) -> None:
    process, before = bench.process, marks.read(bench.data, "v1")
    if how == "removed":
        _mark(bench).unlink()
    else:
        _mark(bench).write_text(_mark(bench).read_text().replace(before.booted, "another"))
    [seen] = observing.observer(bench.data, _Known(body)).observe().things["shop"].values()
    lost = {**body, "mark": "gone" if how == "removed" else f"unreadable, {_mark(bench)}"}
    assert seen.parts == {"machine": lost, "power": "running"}
    assert bench.probe("vm.update", lost, body).found is Found.NOT_STARTED
    bench.do("vm.update", lost, body)
    assert bench.probe("vm.update", lost, body).found is Found.DONE
    assert marks.read(bench.data, "v1") == before
    assert bench.process == process
    # Nobody wants the loss back.
    bench.driver.undo(bench.work("vm.update", lost, body))
    assert (marks.read(bench.data, "v1"), bench.process) == (before, process)


def test_a_mark_that_names_another_provider_is_written_again_and_the_process_goes_on(bench, body) -> None:
    process, before = bench.process, marks.read(bench.data, "v1")
    marks.write(bench.data, "v1", before._replace(provider="nobody"))
    bench.do("vm.create", None, body)
    bench.power("vm.boot", "stopped", "running")
    assert (marks.read(bench.data, "v1"), bench.process) == (before, process)


def test_a_mark_is_not_guessed_where_nobody_knows_what_was_started(bench, body) -> None:
    process = bench.process
    _mark(bench).unlink()
    folders.orders_path(identity.record_path(bench.data, "v1")).unlink()
    with pytest.raises(Permanent, match=rf"shut its guest down, `kill {process.pid}`, and apply again: it keeps its disks"):
        bench.do("vm.update", {**body, "mark": "gone"}, body)
    assert bench.process == process


def test_nothing_is_started_beside_a_process_that_holds_the_lock(bench, body) -> None:
    record = identity.record_path(bench.data, "v1")
    kept = record.read_text()
    with pytest.raises(Permanent, match=rf"process {bench.process.pid} still runs and holds `.*process\.lock`"):
        launch.require_free(record)
    assert record.read_text() == kept
