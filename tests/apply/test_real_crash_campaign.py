"""Killed in the middle of making real networks, disks and seeds: the next command completes or takes back what was begun.

Bridges, taps, rules, downloads, copies and seeds are made for real in a network namespace of their own; machines are pretended, or run
under QEMU where the steps on them are struck. Afterwards the whole host is as after a run that nobody disturbed, no process is left that
should not be, and a plan says that nothing changes. `bench/crash_real.py` strikes at every point of every kind of step, and at random.
"""

import shutil
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from herocloud.model.steps import DISCARDS, KINDS
from tests.apply import real_campaign, real_world
from tests.providers.network import ability

pytestmark = pytest.mark.root

PARTS = 4


@pytest.fixture(scope="module")
def prepare(crashing: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a maker of campaigns, where this machine lets networks be made."""
    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)
    return lambda *hypervisor: real_campaign.Campaign(tmp_path_factory.mktemp("real"), crashing, real_world, *hypervisor)


@pytest.fixture(scope="module")
def real(prepare: Callable[..., Any]) -> Any:
    """Return the campaign with pretended machines, prepared once."""
    return prepare()


@pytest.fixture(scope="module")
def under_qemu(prepare: Callable[..., Any]) -> Any:
    """Return the campaign whose machines run under QEMU; no guest boots in them."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    return prepare("qemu")


def strike(real: Any, worlds: list[list[Any]]) -> int:
    """Strike in every one of these worlds; returns how many processes died."""
    kills = 0
    for strikes in worlds:
        struck = real.strike(strikes)
        assert not struck.problems, f"{strikes}: {struck.problems}"
        kills += struck.kills
    return kills


def test_a_run_that_nobody_disturbs_leaves_the_host_as_it_was(real: Any) -> None:
    assert real.problems_of_itself == []


def test_two_runs_that_nobody_disturbs_come_to_the_same(real: Any) -> None:
    assert real.strike([]) == (0, ())


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_in_the_middle_of_every_kind_of_step_it_is_completed_or_taken_back(real: Any, part: int) -> None:
    worlds = real_campaign.rounds(real.strikes())[part::PARTS]
    strikes = [one for several in worlds for one in several]
    # A strike that takes back kills twice, and some points lie behind others that this very order does not reach.
    assert strike(real, worlds) >= len(strikes)


def test_killed_at_random_instants_it_is_completed_or_taken_back(real: Any) -> None:
    assert strike(real, real_campaign.rounds(real.random_strikes(6, seed=7))) >= 2


def _of_qemu(campaign: Any) -> list[Any]:
    return [one for one in campaign.strikes() if one.blow and (one.blow.point or "").startswith("qemu.")]


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_in_the_middle_of_what_qemu_does_it_is_completed_or_taken_back(under_qemu: Any, part: int) -> None:
    worlds = real_campaign.rounds(_of_qemu(under_qemu))[part::PARTS]
    assert strike(under_qemu, worlds) >= sum(map(len, worlds))


def test_the_steps_on_machines_are_struck_under_qemu(under_qemu: Any) -> None:
    struck = {one.blow.point.split(".")[2] for one in _of_qemu(under_qemu)}
    assert struck >= {"create", "configure", "boot", "stop", "delete"}


def test_the_campaign_strikes_at_every_kind_of_step_of_networks_and_images(real: Any) -> None:
    points = {one.blow.point for one in real.strikes() if one.blow and one.blow.point}
    struck = {point.removesuffix(".half").partition(".")[2] for point in points if point.endswith(".half")}
    # Snapshots, what is copied out of them, what is discarded and renames are struck one by one where the drivers are tested.
    elsewhere = {
        "volume.move",
        "network.move",
        "disk.copy",
        "disk.restore",
        "volume.copy",
        "volume.restore",
        "snapshot.create",
        "snapshot.delete",
    }
    unused = set(DISCARDS.values()) - {"vm.discard"}
    assert {kind for kind, info in KINDS.items() if info.role in ("images", "network")} - struck == elsewhere | unused


def test_a_campaign_that_finds_nothing_would_be_noticed(real: Any) -> None:
    """The comparison itself must be able to fail: here something is left behind, and something is taken away."""
    found = real.expected["create"]
    more = {**found, "files": {**found["files"], "vms/.draft.new": "0"}}
    less = {**found, "host": {**found["host"], "links": {name: one for name, one in found["host"]["links"].items() if name == "lo"}}}
    assert real._differences("create", more) == ["/files/vms/.draft.new: None before, 0 after"]
    assert any("/host/links/hb-" in line for line in real._differences("create", less))
