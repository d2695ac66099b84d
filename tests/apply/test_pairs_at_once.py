"""Thirty pairs of applies at random, at once in two processes, some killed: nothing is lost, doubled or left over."""

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def kills() -> list[int]:
    """Collect the seeds of the pairs of which somebody died."""
    return []


@pytest.mark.parametrize("seed", range(30))
def test_a_pair_at_once_with_kills(crashing: ModuleType, pairs: ModuleType, tmp_path: Path, kills: list[int], seed: int) -> None:
    pair = pairs.Pair(tmp_path, seed)
    ends: list[Any] = []
    for _round in range(2):
        pair.write()
        started = [crashing.start(functools.partial(pair.apply, name), _blow(crashing, pair)) for name in pairs.NAMES]
        ends += [crashing.collect(one) for one in started]
        rollback = pair.chance.random() < 0.5
        crashing.require(crashing.in_child(functools.partial(pair.go_on, rollback)))
    kills += [seed for end in ends if end.killed]
    assert all(end.error is None and end.value in (None, "done", "nothing") for end in ends), ends
    again = [crashing.start(functools.partial(pair.apply, name)) for name in pairs.NAMES]
    assert {crashing.require(crashing.collect(one)) for one in again} <= {"done", "nothing"}
    assert crashing.require(crashing.in_child(pair.problems)) == []


def test_enough_of_them_died(kills: list[int]) -> None:
    """Pairs that nobody disturbs would prove little; run alone, this has nothing to count."""
    if not kills:
        pytest.skip("the pairs were not run before it")
    assert len(kills) >= 20


def _blow(crashing: ModuleType, pair: Any) -> Any:
    if pair.chance.random() < 0.35:
        return None
    if pair.chance.random() < 0.5:
        return crashing.Blow(after=pair.chance.uniform(0.02, 0.5))
    points = ("apply.perform.after", "apply.outcome.before", "apply.intent.after", "state.begin.written", "state.commit.after")
    point = pair.chance.choice(points)
    return crashing.Blow(point, nth=pair.chance.randint(1, 14))
