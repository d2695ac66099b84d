"""Whatever goes wrong on the way: what happens on the host is what the plan said, measured by a model that knows no plans.

Each case is a random stack with edits, applied with failures, interrupts, kills, resumes and rollbacks in random orders by the real
executor over the real state. `scripts/bench host_model` plays thousands more; a case there has the number that it has here.
"""

import ast
from pathlib import Path

import pytest

from tests.model_of_host import cases

CASES = 300
HASTY = 30
_BUNDLE = 10
_FOLDER = Path(cases.__file__).parent


@pytest.mark.world
@pytest.mark.parametrize("first", range(0, CASES, _BUNDLE))
def test_what_happens_is_what_the_plan_said(first: int, quick_folder: Path, tally) -> None:
    broken = []
    for seed in range(first, first + _BUNDLE):
        folder = quick_folder / str(seed)
        folder.mkdir()
        told = cases.play(seed, folder)
        tally.update(told.counts)
        tally["cases"] += 1
        broken += [f"seed {seed}: {deviation}" for deviation in told.deviations]
    assert broken == []


@pytest.mark.world
@pytest.mark.parametrize("first", range(0, HASTY, _BUNDLE))
def test_it_is_so_for_stacks_that_are_edited_before_they_are_at_rest(first: int, quick_folder: Path) -> None:
    broken = []
    for seed in range(first, first + _BUNDLE):
        folder = quick_folder / str(seed)
        folder.mkdir()
        broken += [f"seed {seed}: {deviation}" for deviation in cases.play(seed, folder, hasty=True).deviations]
    assert broken == []


@pytest.mark.world
@pytest.mark.parametrize("seed", [1248, 1642, 2425])
def test_a_case_that_once_found_a_plan_wrong_holds(seed: int, quick_folder: Path) -> None:
    """A machine with more than its record says (1248, 1642), and a disk that grew and stays so after an undo (2425)."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.world
def test_a_rate_that_two_records_promise_is_given_to_one_of_them(quick_folder: Path) -> None:
    """A rollback that failed in part left both records; the card of one was made before that of the other had gone."""
    assert cases.play(7997, quick_folder).deviations == ()


def test_enough_went_wrong_in_these_cases(tally) -> None:
    """Applies that nobody disturbs would prove little; a process that did not play all cases has too little to count."""
    if tally["cases"] < CASES:
        pytest.skip("not all cases were played in this process")
    for what in ("killed", "resumes", "rollbacks", "interrupt", "interrupt twice", "kill at commit", "failed calls"):
        assert tally[what] >= 30, f"{what}: {tally[what]}"
    assert tally["undos"] >= 10
    assert tally["plans"] >= 500
    assert tally["refused plans"] < tally["plans"] / 3


@pytest.mark.parametrize("name", ["machines", "provider", "clock", "promises", "stacks"])
def test_the_model_shares_no_code_with_the_planner(name: str) -> None:
    tree = ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    forbidden = ("herocloud.plan", "herocloud.host", "herocloud.providers.simulator", "herocloud.providers.costs", "herocloud.operations")
    assert [module for module in imported if module.startswith(forbidden)] == []


@pytest.mark.parametrize("seed", [13618, 14407, 14531])
def test_a_rename_whose_answer_got_lost_leaves_no_machine_behind(seed: int, quick_folder: Path) -> None:
    """The machine has the new name and its record the old one, when an undo or a destroy comes."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.parametrize("seed", [15103, 12773, 13542])
def test_what_is_gone_or_more_than_recorded_is_in_the_plan(seed: int, quick_folder: Path) -> None:
    """A machine that is gone is created (15103), and cards that are faster than their record says are counted (12773, 13542)."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.parametrize("seed", [11297, 13763, 16062])
def test_data_comes_back_to_a_vm_that_has_its_old_name_again(seed: int, quick_folder: Path) -> None:
    """Its disk was deleted under the new name, and is found by its file."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.parametrize("seed", [13824])
def test_a_rate_that_moves_between_cards_is_in_the_peak_of_the_plan(seed: int, quick_folder: Path) -> None:
    """For a moment both cards have it, and the plan says so or orders them."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.parametrize("seed", [1505, 12828, 14021, 21110])
def test_a_machine_that_stayed_half_made_goes_with_the_destroy(seed: int, quick_folder: Path) -> None:
    """Its making was cut off on the way back from a deletion, so no record has a machine."""
    assert cases.play(seed, quick_folder, tight=False).deviations == ()


@pytest.mark.parametrize("seed", [433, 491, 572, 661, 675, 722, 772])
def test_a_case_that_once_deviated_holds(seed: int, quick_folder: Path) -> None:
    """Disks prepared beside others were not counted without a record, and replacing a VM by one that stays off told a downtime."""
    folder = quick_folder / f"again-{seed}"
    folder.mkdir(parents=True)
    assert not cases.play(seed, folder, tight=False).deviations
