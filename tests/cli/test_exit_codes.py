"""Every exit code of the contract, each reached the way a user would reach it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.simulator import tamper
from herocloud.state import locking


def test_0_is_done_also_when_a_plan_has_changes(herocloud: Any, shop: Path) -> None:
    assert herocloud("plan").code == 0


def test_1_is_an_invalid_stack(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms:\n  web: {vcpu: 1}\n")
    ran = herocloud("plan")
    assert ran.code == 1
    assert "did you mean `vcpus`?" in ran.err
    assert "stack.yaml:3:" in ran.err


def test_1_is_a_stack_file_that_is_not_there(herocloud: Any) -> None:
    ran = herocloud("plan")
    assert ran.code == 1
    assert "stack.yaml" in ran.err


def test_2_tells_changes_only_when_asked_to(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    assert herocloud("plan", "--detailed-exitcode").code == 0
    edit("count: 2", "count: 3")
    assert herocloud("plan", "--detailed-exitcode").code == 2
    assert herocloud("plan").code == 0


def test_2_tells_drift_only_when_asked_to(herocloud: Any, applied: Path) -> None:
    assert herocloud("drift", "--detailed-exitcode").code == 0
    tamper.main([str(herocloud.data_folder), "vm.db", "stop"])
    assert herocloud("drift", "--detailed-exitcode").code == 2
    assert herocloud("drift").code == 0


def test_3_is_a_file_that_is_not_formatted(herocloud: Any) -> None:
    herocloud.write("stack:    shop\n")
    assert herocloud("fmt", "--check").code == 3
    assert herocloud("fmt").code == 0
    assert herocloud("fmt", "--check").code == 0


def test_10_is_a_plan_whose_facts_changed_and_names_the_fact(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2", "vcpus: 3")
    herocloud.done("plan", "--out", "p.hcplan")
    herocloud.done("vm", "stop", "db")
    ran = herocloud("apply", "p.hcplan")
    assert ran.code == 10
    assert "record:shop/vm.db" in ran.err
    assert "observed:shop/vm.db" in ran.err


def test_11_is_a_lock_that_somebody_living_holds(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("count: 2", "count: 3")
    with locking.hold(herocloud.data_folder, "apply", "abcd1234", 0.0):
        ran = herocloud("apply", "-y", "--lock-timeout", "0")
    assert ran.code == 11
    assert "abcd1234" in ran.err
    assert herocloud("apply", "-y").code == 0


def test_a_plan_never_waits_for_the_lock(herocloud: Any, applied: Path) -> None:
    with locking.hold(herocloud.data_folder, "apply", "abcd1234", 0.0):
        assert herocloud("plan").code == 0
        assert herocloud("drift").code == 0
        held = json.loads(herocloud("state", "lock", "--json").out)
    assert held["locked"]
    assert [(holder["scope"], holder["plan"]) for holder in held["holders"]] == [("host", "abcd1234")]


def test_12_is_a_class_that_nobody_approved(herocloud: Any, shop: Path) -> None:
    ran = herocloud("apply")
    assert ran.code == 12
    assert "`--approve create`" in ran.err
    assert not (herocloud.data_folder / "state.db").exists()


def test_12_is_protection(herocloud: Any, applied: Path) -> None:
    herocloud.done("state", "protect", "volume.data")
    assert herocloud("plan", "--destroy").code == 12
    assert herocloud("destroy", "-y").code == 12


def test_13_is_an_apply_that_was_done_in_part(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: vm.db, step: vm.boot, fail: kernel panicked}")
    ran = herocloud("apply", "-y")
    assert ran.code == 13
    assert "kernel panicked" in ran.out
    assert "vm.web[1]" in herocloud("state", "list").out


def test_1_is_a_failure_that_was_taken_back(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: vm.db, step: vm.boot, fail: kernel panicked}")
    ran = herocloud("apply", "-y", "--on-failure", "rollback")
    assert ran.code == 1
    assert "Rolled back" in ran.out
    assert herocloud("state", "list").out == "Nothing is recorded.\n"


def test_14_is_a_host_that_is_too_small(herocloud: Any, shop: Path, edit: Callable[[str, str], None]) -> None:
    edit("count: 2", "count: 64")
    assert herocloud("plan").code == 14
    assert herocloud("apply", "-y").code == 14
    assert not (herocloud.data_folder / "state.db").exists()


@pytest.mark.parametrize("words", [("plan", "--what"), ("what",), ("state", "show")], ids=" ".join)
def test_64_is_usage(herocloud: Any, words: tuple[str, ...]) -> None:
    assert herocloud(*words).code == 64
