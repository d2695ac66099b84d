"""Measuring whole processes: wall time, CPU time and peak memory of one child, and the middle of several.

A benchmark inside one process would leave out what a user waits for most at small sizes: the interpreter and its imports. `wait4` gives
the peak memory of exactly this child; `resource.getrusage(RUSAGE_CHILDREN)` would give the largest of all children so far.
"""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """One run of one command."""

    seconds: float
    megabytes: float
    out: str
    cpu: float
    """Seconds that processors worked for it, in user and kernel: what a busy machine changes least."""


class Failed(Exception):
    """A command that had to work did not."""


def run(command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)) -> Measured:
    """Run a command to its end and measure it; its output goes to files, so that a full pipe cannot slow it down."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode(errors="replace")
        if child.returncode not in codes:
            err.seek(0)
            said = err.read().decode(errors="replace")
            raise Failed(f"{' '.join(command)} ended with {child.returncode}\n{text[-2000:]}{said[-4000:]}")
    return Measured(seconds, usage.ru_maxrss / 1024, text, usage.ru_utime + usage.ru_stime)


def repeat(times: int, once: Callable[[], Measured]) -> Measured:
    """Measure several times and return the median of time and of memory."""
    runs = [once() for _ in range(times)]
    return Measured(
        statistics.median(run.seconds for run in runs),
        statistics.median(run.megabytes for run in runs),
        runs[-1].out,
        statistics.median(run.cpu for run in runs),
    )
