"""Prints how long an admission holds the lock of the host: one VM added where a thousand run, on the simulator.

From asking for the free lock until it is free again: all the time in which no other apply of the host can begin. Facts are read before
it, and under it only generations are compared.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import workloads
from campaigns import pairs

from herocloud.operations import admission, apply
from herocloud.operations.inputs import Sources
from herocloud.operations.stack_plans import Asked

TARGET = 0.005
ONE = """\
stack: extra-{number}
images:
  base: {{source: "https://images.example.org/extra.qcow2", unpinned: true, format: qcow2}}
vms:
  one: {{image: base, memory: 1 GiB}}
"""


def main() -> None:
    """Make those that run, then add one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--running", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    held: list[float] = []
    busy: list[float] = []
    real = admission.locked

    @contextlib.contextmanager
    def timed(folder: Path, scope: Any, *arguments: Any) -> Iterator[None]:
        began, worked = time.perf_counter(), time.thread_time()
        with real(folder, scope, *arguments):
            yield
        if scope.stack is None:
            held.append(time.perf_counter() - began)
            busy.append(time.thread_time() - worked)

    admission.locked = timed
    with tempfile.TemporaryDirectory(prefix="herocloud-bench-") as name:
        folder, data = Path(name), Path(name) / "data"
        workloads.write_host(data, arguments.running + 2 * arguments.runs)
        (folder / "many.yaml").write_text(workloads.stack_text(arguments.running, "counted"), encoding="utf-8")
        _apply(data, folder / "many.yaml")
        held.clear()
        busy.clear()
        for number in range(arguments.runs):
            path = folder / "one.yaml"
            path.write_text(ONE.format(number=number), encoding="utf-8")
            _apply(data, path)
    middle = statistics.median(held)
    verdict = "ok" if middle <= TARGET else "over"
    beside = f"admission of one VM beside {arguments.running:,} running"
    print(f"{beside}: the host's lock is held for {middle * 1000:.1f} ms (target 5 ms, {verdict})")
    print(f"shortest {min(held) * 1000:.1f} ms, longest {max(held) * 1000:.1f} ms, {len(held)} admissions")
    print(
        f"CPU time of it {statistics.median(busy) * 1000:.1f} ms; the rest is one wait for the disk, and for a processor where others work"
    )


def _apply(data: Path, stack: Path) -> None:
    applied = apply.plan_and_apply(data, Sources((str(stack),)), Asked(), pairs.how(), pairs.EVERYTHING)
    assert applied.result is not None, "nothing was done"
    assert not applied.result.failed, applied.result.outcomes


if __name__ == "__main__":
    main()
