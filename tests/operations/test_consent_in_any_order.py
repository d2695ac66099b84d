"""No effect without consent, whatever order interrupts, kills, resumes, rollbacks, refusals and other applies come in.

Each case is a few random commands on two stacks, by somebody who approves everything, some classes, or says no. The model of the host
notes what really happens, and each effect must be among what that command showed and got approved. `scripts/bench host_model --consent`
plays more.
"""

from pathlib import Path

import pytest

from tests.model_of_host import consent

CASES = 40
_BUNDLE = 5


@pytest.mark.world
@pytest.mark.parametrize("first", range(0, CASES, _BUNDLE))
def test_nothing_happens_that_was_not_approved(first: int, tmp_path: Path, consents) -> None:
    broken = []
    for seed in range(first, first + _BUNDLE):
        folder = tmp_path / str(seed)
        folder.mkdir()
        told = consent.play(seed, folder)
        consents.update(told.counts)
        broken += [f"seed {seed}: {deviation}" for deviation in told.deviations]
    assert broken == []


def test_enough_was_refused_and_cut_off_in_these_cases(consents) -> None:
    """People who approve everything would prove little; run alone, this has nothing to count."""
    if not consents:
        pytest.skip("the cases were not played before it")
    for what in ("blocked", "killed", "rollback", "resume", "answered some", "answered no"):
        assert consents[what] >= 15, f"{what}: {consents[what]}"
    assert consents["effects"] >= 1000
