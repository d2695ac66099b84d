"""Prints what a step's journal costs, alone and several at a time, in states of different sizes.

Two transactions are the least that a lone step needs: its intent before it acts, its outcome with the record after. The second figure is
what an fsync of four kilobytes costs on the same disk, below which no durable journal can go.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Capacity, Level, Plan
from herocloud.model.worlds import Record
from herocloud.state import store
from herocloud.state.store import Entry

STACK = StackName("bench")
TARGET = 0.001
_NONE = Level(0, 0, 0, None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1_000, 10_000])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where to work; a folder on the disk in question, not in memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="herocloud-bench-", dir=arguments.folder) as folder:
        print(f"fsync of 4 KiB on this disk: {_milliseconds(_fsync(Path(folder), arguments.steps))}")
        print(f"{'records':>9}{'one step at a time':>22}{'eight at a time':>18}   a step; target 1 ms")
        for records in arguments.records:
            alone = _cost(Path(folder), records, arguments.steps, together=1)
            together = _cost(Path(folder), records, arguments.steps, together=8)
            verdict = "ok" if alone <= TARGET else "over"
            print(f"{records:>9,}{_milliseconds(alone):>22}{_milliseconds(together):>18}   {verdict}", flush=True)


def _cost(folder: Path, records: int, steps: int, *, together: int) -> float:
    """Return the median cost of a step when so many share each transaction."""
    with _filled(folder, records) as (state, apply):
        costs = []
        for first in range(0, steps, together):
            numbers = range(first, first + together)
            started = time.perf_counter()
            state.commit(apply, [Entry(_step(number), "intent", 0.0) for number in numbers])
            state.commit(apply, [Entry(_step(number), "done", 0.0, record=_record(records + number)) for number in numbers])
            costs.append((time.perf_counter() - started) / together)
    return statistics.median(costs)


@contextmanager
def _filled(folder: Path, records: int) -> Iterator[tuple[store.Store, int]]:
    """Open a state of its own that holds so many records, with an apply under way."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        state = store.open_state(Path(name), write=True)
        if state is None:
            raise SystemExit("the state could not be made")
        with state:
            apply = state.begin(_plan(), 0.0)
            for first in range(0, records, 1_000):
                numbers = range(first, min(first + 1_000, records))
                state.commit(apply, [Entry(_step(-number - 1), "done", 0.0, record=_record(number)) for number in numbers])
            yield state, apply


def _fsync(folder: Path, times: int) -> float:
    costs = []
    with (folder / "fsync").open("wb") as stream:
        for _ in range(times):
            started = time.perf_counter()
            stream.write(b"x" * 4096)
            stream.flush()
            os.fsync(stream.fileno())
            costs.append(time.perf_counter() - started)
    return statistics.median(costs)


def _step(number: int) -> StepId:
    return StepId(f"vm.web[{number}]/vm.boot")


def _record(number: int) -> Record:
    spec = {"image": "base", "vcpus": 2, "memory": 2 * 1024**3, "slices": [], "labels": {"tier": "web"}, "restart": "on-failure"}
    parts = {
        "disk": {"size": 10 * 1024**3, "path": f"/disks/web-{number}.raw", "image": "base"},
        "machine": {"vcpus": 2, "memory": 2 * 1024**3, "disks": [f"/disks/web-{number}.raw"], "nics": [f"tap{number}"]},
        "power": "running",
    }
    return Record(STACK, Address(f"vm.web[{number}]"), "vm", "simulator", spec, parts, complete=True)


def _plan() -> Plan:
    capacity = Capacity(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE)
    return Plan(PlanId("bench"), STACK, "apply", None, "bench", (), (), capacity, (), ())


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3f} ms"


if __name__ == "__main__":
    main()
