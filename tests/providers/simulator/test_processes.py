"""Several processes use one world at once, from the very moment in which it comes to be."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Temporary
from herocloud.providers.simulator import world_file

PROCESSES, EACH = 4, 15

_WORKER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from herocloud.model.errors import Temporary
from herocloud.model.steps import Step
from herocloud.providers.seam import Work
from herocloud.providers.simulator import driving, observing

folder, scenario, me, each = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
print("ready", flush=True)
sys.stdin.readline()
driver = driving.open_world(folder, scenario=scenario)
refused = 0

def perform(kind, part, before, after, number):
    global refused
    step = Step("s", f"{'vm' if part != 'volume' else 'volume'}.p{me}-{number}", kind, "simulator", part, before, after)
    while True:
        try:
            return driver.perform(Work(step, "shop", {}, "ours", "p1"))
        except Temporary:
            refused += 1

def build(number):
    perform("volume.create", "volume", None, {"size": 100, "path": f"p{me}-{number}"}, number)
    machine = {"vcpus": 1, "memory": 10, "volumes": [{"volume": f"p{me}-{number}", "readonly": False}]}
    perform("vm.create", "machine", None, machine, number)
    perform("vm.boot", "power", "stopped", "running", number)
    observing.SimulatorObserver(folder).observe(["shop"])

with ThreadPoolExecutor(4) as pool:
    list(pool.map(build, range(each)))
print(refused, flush=True)
"""


def test_processes_build_in_one_world_without_losing_anything(make_bench: Callable[..., Any], tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{step: vm.boot, refuse: busy, times: 25}]", encoding="utf-8")
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(tmp_path / "data"), str(scenario), str(number), str(EACH)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    ended = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES, ended
    assert sum(int(out) for out, _err in ended) == 25
    bench = make_bench()
    things = bench.look().things["shop"]
    machines = [thing for address, thing in things.items() if address.startswith("vm.")]
    assert {thing.parts["power"] for thing in machines} == {"running"}
    assert (len(machines), len(things)) == (PROCESSES * EACH, 2 * PROCESSES * EACH)
    assert bench.snapshot().totals == {"memory": 10 * PROCESSES * EACH, "disk": 100 * PROCESSES * EACH}


def test_a_world_that_is_held_too_long_asks_to_come_back(make_bench: Callable[..., Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(world_file, "BUSY_SECONDS", 0.01)
    holder, other = make_bench(), make_bench()
    with holder.driver._world.changing(), pytest.raises(Temporary, match="is busy"):
        other.volume()
    other.volume()
