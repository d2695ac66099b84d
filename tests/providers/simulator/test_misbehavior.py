"""The rules of a scenario act on steps, as often as they say."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.seam import Found
from herocloud.providers.simulator import driving

Make = Callable[..., Any]


@pytest.fixture
def under(make_bench: Make, tmp_path: Path) -> Make:
    """Return a maker of benches under the rules given."""

    def make(*rules: str, seed: int = 0) -> Any:
        scenario = tmp_path / "scenario.yaml"
        scenario.write_text(f"seed: {seed}\nrules:\n" + "".join(f"  - {rule}\n" for rule in rules), encoding="utf-8")
        return make_bench(scenario=scenario)

    return make


def test_a_failure_is_permanent_and_changes_nothing(under: Make) -> None:
    bench = under("{address: 'vm.w*', step: '*boot*', times: 1, fail: kernel panicked}")
    with pytest.raises(Permanent, match="kernel panicked"):
        bench.vm()
    assert bench.part("vm.web", "power") == "stopped"
    assert bench.power("vm.boot", "vm.web", "running") == "running"


def test_a_refusal_is_temporary_and_ends(under: Make, shapes: Any) -> None:
    bench = under("{address: volume.data, refuse: try again, times: 2}")
    for _ in range(2):
        with pytest.raises(Temporary, match="try again") as raised:
            bench.volume()
        assert raised.value.delay > 0
    bench.volume()
    assert bench.part("volume.data", "volume") == shapes.volume()


def test_the_first_rule_that_matches_acts_alone(under: Make) -> None:
    bench = under("{address: 'network.*', fail: nothing like it}", "{fail: one, times: 1}", "{fail: two, times: 1}")
    for words in ("one", "two"):
        with pytest.raises(Permanent, match=words):
            bench.volume()
    bench.volume()


def test_a_lost_answer_leaves_the_work_done(under: Make, shapes: Any) -> None:
    bench = under("{at: after, fail: connection lost, times: 1}")
    with pytest.raises(Permanent, match="connection lost"):
        bench.volume()
    assert bench.probe("volume.create", "volume.data", "volume", None, shapes.volume()).found is Found.DONE


def test_a_delay_takes_its_time(under: Make) -> None:
    bench = under("{address: volume.data, delay: 60 ms}")
    started = time.monotonic()
    bench.volume()
    assert time.monotonic() - started >= 0.06


def test_a_hang_ends_when_the_work_is_cancelled(under: Make, shapes: Any) -> None:
    bench = under("{hang: true}")
    looks = iter([False, False, True])
    with pytest.raises(Temporary, match="was cancelled"):
        bench.perform("volume.create", "volume.data", "volume", None, shapes.volume(), cancelled=lambda: next(looks))
    assert bench.thing("volume.data") is None


def test_a_hang_ends_when_the_driver_is_closed_and_keeps_nobody_waiting(under: Make, shapes: Any) -> None:
    bench = under("{address: volume.data, hang: true}")
    ended: list[Exception] = []
    hanging = threading.Event()

    def hang() -> None:
        try:
            bench.perform("volume.create", "volume.data", "volume", None, shapes.volume(), cancelled=lambda: bool(hanging.set()))
        except Temporary as error:
            ended.append(error)

    thread = threading.Thread(target=hang, daemon=True)
    thread.start()
    assert hanging.wait(10)
    bench.network()
    bench.driver.close()
    thread.join(10)
    assert len(ended) == 1


def test_undoing_and_probing_misbehave_only_when_a_rule_names_them(under: Make, shapes: Any) -> None:
    bench = under(
        "{step: 'undo volume.*', fail: stuck, times: 1}", "{step: probe*, refuse: busy, times: 1}", "{address: vm.x, fail: always}"
    )
    step = ("volume.create", "volume.data", "volume", None, shapes.volume())
    bench.perform(*step)
    with pytest.raises(Temporary, match="busy"):
        bench.probe(*step)
    with pytest.raises(Permanent, match="stuck"):
        bench.undo(*step)
    bench.undo(*step)
    assert bench.probe(*step).found is Found.NOT_STARTED


def test_chance_depends_on_the_seed_and_on_nothing_else(under: Make) -> None:
    def draw(seed: int, name: str) -> list[bool]:
        bench = under("{address: 'network.*', probability: 0.5, fail: bad luck}", seed=seed)
        outcomes = []
        for attempt in range(12):
            try:
                bench.network(f"{name}{attempt}")
            except Permanent:
                outcomes.append(False)
            else:
                outcomes.append(True)
        bench.driver.close()
        (bench.folder / "simulator.db").unlink()
        return outcomes

    first = draw(7, "n")
    assert draw(7, "n") == first
    assert {True, False} == set(first)
    assert draw(8, "n") != first


def test_a_step_takes_its_time_and_stops_when_cancelled(tmp_path: Path, bench: Any, shapes: Any) -> None:
    slow = driving.open_world(tmp_path / "slow", step_time=0.05)
    work = bench.work("volume.create", "volume.data", "volume", None, shapes.volume())
    started = time.monotonic()
    slow.perform(work)
    assert time.monotonic() - started >= 0.05
    again = bench.work("volume.create", "volume.other", "volume", None, shapes.volume("other"), cancelled=lambda: True)
    with pytest.raises(Temporary, match="was cancelled"):
        slow.perform(again)
    assert slow.probe(again).found is Found.PARTIAL
    slow.close()


def test_a_step_that_is_done_takes_no_time(tmp_path: Path, bench: Any, shapes: Any) -> None:
    bench.volume()
    slow = driving.open_world(bench.folder, step_time=3600)
    assert slow.perform(bench.work("volume.create", "volume.data", "volume", None, shapes.volume())) == shapes.volume()
    slow.close()
