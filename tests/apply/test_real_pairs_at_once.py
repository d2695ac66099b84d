"""Pairs of applies at once over real networks, disks and seeds, some killed: nothing is lost, doubled or left on the host."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apply import campaign, real_pairs
from tests.providers.network import ability

pytestmark = pytest.mark.root
SEEDS = range(10)


@pytest.fixture(scope="module")
def kills() -> list[int]:
    """Collect how many died of each pair."""
    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)
    return []


@pytest.fixture
def make(tmp_path: Path, kills: list[int]) -> Iterator[Any]:
    made: list[Any] = []

    def pair(seed: int) -> Any:
        made.append(real_pairs.RealPair(tmp_path, seed))
        return made[-1]

    yield pair
    for each in made:
        each.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pair_at_once_with_kills(make: Any, kills: list[int], seed: int) -> None:
    lived = make(seed).live()
    kills.append(lived.kills)
    assert lived.problems == ()


def test_enough_of_them_died(kills: list[int]) -> None:
    if not kills:
        pytest.skip("the pairs were not run before it")
    assert sum(1 for died in kills if died) >= len(kills) / 2


def test_what_stays_on_the_host_would_be_noticed(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make(0)
    monkeypatch.setattr(pair, "destroy", lambda _name: "done")
    problems = pair.live().problems
    assert any(line.startswith("left on the host: /links/hb-") for line in problems), problems
    assert campaign.require(campaign.in_child(lambda: pair.inside(pair.problems))) == []
