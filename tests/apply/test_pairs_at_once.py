"""Thirty pairs of applies at random, at once in two processes, some killed: nothing is lost, doubled or left over."""

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def kills() -> list[int]:
    """Collect how many died of each pair."""
    return []


@pytest.mark.parametrize("seed", range(30))
def test_a_pair_at_once_with_kills(pairs: ModuleType, tmp_path: Path, kills: list[int], seed: int) -> None:
    lived = pairs.Pair(tmp_path, seed).live()
    kills.append(lived.kills)
    assert lived.problems == ()


def test_enough_of_them_died(kills: list[int]) -> None:
    """Pairs that nobody disturbs would prove little; run alone, this has nothing to count."""
    if not kills:
        pytest.skip("the pairs were not run before it")
    assert sum(1 for died in kills if died) >= 15
