"""`drift` shows and `undo` takes back what a change in place that failed has left, whether or not it came about."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest


class Case(NamedTuple):
    """A step that changes in place, and how a stack file asks for it: what is replaced by what."""

    kind: str
    address: str
    old: str
    new: str


STACK = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.41.0.0/24}}
volumes: {data: {size: 1 GiB}, more: {size: 1 GiB}}
vms:
  db: {image: debian, memory: 2 GiB, networks: [{network: lan}], volumes: [data], state: running}
  off: {image: debian, memory: 1 GiB, state: stopped}
"""
CASES = [
    Case("network.update", "network.lan", "10.41.0.0/24", "10.41.0.0/24, isolated: true"),
    Case("vm.resize", "vm.db", "memory: 2 GiB", "memory: 3 GiB"),
    Case("tap.update", "vm.db", "network: lan", "network: lan, rate: {download: 100 Mbit/s, upload: 50 Mbit/s}"),
    Case("vm.configure", "vm.db", "memory: 2 GiB", "vcpus: 2, memory: 6 GiB, slices: 3"),
    Case("vm.attach", "vm.db", "[data]", "[data, more]"),
    Case("vm.detach", "vm.db", "[data]", "[]"),
    Case("vm.stop", "vm.db", "state: running", "state: stopped"),
    Case("vm.boot", "vm.off", "state: stopped", "state: running"),
]
GROWING = Case("volume.grow", "volume.more", "more: {size: 1 GiB}", "more: {size: 2 GiB}")


@pytest.fixture
def fail(herocloud: Any, misbehave: Callable[[str], None]) -> Callable[..., str]:
    """Return a function that applies a change which fails at a point; it returns what was printed."""

    def apply(case: Case, at: str, look: Callable[[], None] = lambda: None) -> str:
        herocloud.write(STACK)
        herocloud.done("apply", "-y")
        look()
        misbehave(f'{{address: "{case.address}", step: {case.kind}, at: {at}, times: 1, fail: "the plug was pulled"}}')
        herocloud.write(STACK.replace(case.old, case.new))
        ran = herocloud("apply", "-y")
        assert ran.code in (1, 13), ran.both
        return str(ran.both)

    return apply


def _parts(herocloud: Any) -> dict[str, Any]:
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    try:
        return {address: json.loads(parts) for address, parts in world.execute("SELECT address, parts FROM things")}
    finally:
        world.close()


@pytest.mark.parametrize("at", ["before", "half", "after"])
@pytest.mark.parametrize("case", CASES, ids=[case.kind for case in CASES])
def test_the_advice_after_a_failed_change_takes_it_back(herocloud: Any, fail: Callable[..., str], case: Case, at: str) -> None:
    before: dict[str, Any] = {}
    printed = fail(case, at, lambda: before.update(_parts(herocloud)))
    assert "herocloud undo apply-2" in printed
    drift = herocloud("drift", "--detailed-exitcode")
    assert drift.code == 2
    assert "Left by an apply that did not succeed" in drift.out
    assert case.address in drift.out
    undone = herocloud.done("undo", "apply-2", "-y")
    assert f" {case.address} " in undone.both, "the plan names it"
    assert _parts(herocloud) == before
    assert "No drift." in herocloud.done("drift", "--detailed-exitcode").out
    herocloud.write(STACK)
    assert "No changes." in herocloud.done("plan", "--detailed-exitcode").out


def test_a_change_that_never_came_about_is_not_shown_as_one_that_is_taken_back(herocloud: Any, fail: Callable[..., str]) -> None:
    fail(CASES[1], "before")
    shown = herocloud.done("undo", "apply-2", "-y")
    assert "no value of it was changed" in shown.both
    assert "3 GiB → 2 GiB" not in shown.both


def test_a_boot_that_never_came_about_is_not_taken_back_by_a_stop(herocloud: Any, fail: Callable[..., str]) -> None:
    fail(CASES[-1], "before")
    undone = herocloud.done("undo", "apply-2", "--approve", "update")
    assert "update live" in undone.out
    assert "stop" not in undone.out
    assert "1 changed" in undone.out


def test_a_boot_that_came_about_is_taken_back_by_a_stop(herocloud: Any, fail: Callable[..., str]) -> None:
    fail(CASES[-1], "after")
    refused = herocloud("undo", "apply-2", "--approve", "update")
    assert refused.code == 12
    assert "stop: `vm.off`" in refused.both


@pytest.mark.parametrize("at", ["before", "after"])
def test_a_vm_that_runs_is_not_called_half_made(herocloud: Any, fail: Callable[..., str], at: str) -> None:
    fail(CASES[1], at)
    assert "vm.db   state is running, its last change not finished\n" in herocloud("drift").out
    [found] = json.loads(herocloud("drift", "--json").out)["resource_drift"]
    assert (found["part"], found["change"]["after"]) == ("state", "running, its last change not finished")


def test_drift_names_the_value_that_a_failed_change_has_left(herocloud: Any, fail: Callable[..., str]) -> None:
    fail(CASES[0], "after")
    [found] = json.loads(herocloud("drift", "--json").out)["resource_drift"]
    assert (found["address"], found["part"], found["cause"]) == ("network.lan", "network.isolated", "failed_apply")


def test_a_volume_that_has_grown_all_the_same_is_named_and_not_cut(herocloud: Any, fail: Callable[..., str]) -> None:
    fail(GROWING, "after")
    assert "volume.size 1 GiB → 2 GiB" in herocloud("drift").out
    refused = herocloud("undo", "apply-2", "-y")
    assert refused.code == 1
    assert "A disk does not shrink (volume.more)" in refused.both
    assert _parts(herocloud)["volume.more"]["volume"]["size"] == 2 << 30


@pytest.mark.parametrize("at", ["before", "half"])
def test_a_volume_that_has_not_grown_is_as_before_once_it_is_undone(herocloud: Any, fail: Callable[..., str], at: str) -> None:
    fail(GROWING, at)
    assert herocloud("drift", "--detailed-exitcode").code == 2
    herocloud.done("undo", "apply-2", "-y")
    assert _parts(herocloud)["volume.more"]["volume"]["size"] == 1 << 30
    herocloud.write(STACK)
    assert "No changes." in herocloud.done("plan", "--detailed-exitcode").out


@pytest.mark.parametrize("at", ["before", "after"])
def test_what_an_undo_leads_back_to_is_as_unfinished_as_it_was(herocloud: Any, fail: Callable[..., str], at: str) -> None:
    fail(CASES[1], at)
    herocloud.write(STACK.replace("memory: 2 GiB", "memory: 4 GiB"))
    herocloud.done("apply", "-y")
    herocloud.done("undo", "apply-3", "-y")
    drift = herocloud("drift", "--detailed-exitcode")
    assert drift.code == 2, drift.both
    assert "vm.db" in drift.out
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    assert herocloud.done("drift").out == "No drift.\n"
    assert "No changes." in herocloud.done("plan").out
