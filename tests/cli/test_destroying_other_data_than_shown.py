"""Data that took the place of what a plan shows is not destroyed by that plan: it is shown and asked about again, or the plan is stale."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = Callable[..., tuple[int, str]]


def _replace(herocloud: Any) -> None:
    herocloud.done("apply", "-y", "-q", "--replace", "vm.db")


def _addresses(herocloud: Any) -> list[str]:
    return [one["address"] for one in json.loads(herocloud.done("vm", "list", "--json").out)["vms"]]


@pytest.mark.parametrize(
    ("words", "name"),
    [(("destroy",), "shop"), (("vm", "delete", "db"), "db"), (("apply", "--replace", "vm.db"), "db")],
    ids=["destroy", "vm delete", "apply --replace"],
)
def test_a_disk_that_was_replaced_meanwhile_is_asked_about_again(
    herocloud: Any, applied: Path, answer: Answer, words: tuple[str, ...], name: str
) -> None:
    code, screen = answer(*words, answer=f"{name}\n", again="no\n", meanwhile=lambda: _replace(herocloud))
    assert code == 12, screen
    assert "the data of `vm.db` is what `apply-2` made now" in " ".join(screen.split())
    assert len(_addresses(herocloud)) == 3
    newest, *_ = json.loads(herocloud.done("state", "log", "--json").out)["history"]
    assert newest["apply"] == "apply-2"


def test_a_disk_that_was_replaced_meanwhile_is_not_restored_over_unasked(herocloud: Any, applied: Path, answer: Answer) -> None:
    herocloud.done("vm", "snapshot", "create", "db", "--name", "s1")
    code, screen = answer("vm", "snapshot", "restore", "db", "s1", answer="shop\n", again="no\n", meanwhile=lambda: _replace(herocloud))
    assert code == 12, screen
    assert "the data of `vm.db` is what `apply-3` made now" in " ".join(screen.split())
    newest, *_ = json.loads(herocloud.done("state", "log", "--json").out)["history"]
    assert newest["apply"] == "apply-3"


def test_garbage_that_is_other_data_by_now_stays(herocloud: Any, applied: Path, answer: Answer) -> None:
    def replace_the_orphan() -> None:
        herocloud.done("state", "adopt", "vm.db", "-y", "-q")
        _replace(herocloud)
        herocloud.done("state", "rm", "vm.db")

    herocloud.done("state", "rm", "vm.db")
    code, screen = answer("state", "gc", answer="yes\n", meanwhile=replace_the_orphan)
    assert code == 10, screen
    assert "the data of `vm.db` is what `apply-1` made. Now it is:" in " ".join(screen.split())
    assert "vm.db" in herocloud.done("state", "orphans").out


def test_the_second_answer_destroys_it(herocloud: Any, applied: Path, answer: Answer) -> None:
    code, screen = answer("destroy", answer="shop\n", again="shop\n", meanwhile=lambda: _replace(herocloud))
    assert code == 0, screen
    assert _addresses(herocloud) == []


def test_a_restart_meanwhile_is_no_reason_to_ask_again(herocloud: Any, applied: Path, answer: Answer) -> None:
    code, screen = answer("destroy", answer="shop\n", again="no\n", meanwhile=lambda: herocloud.done("vm", "restart", "db"))
    assert code == 0, screen
    assert screen.count("to approve: ") == 1


def test_a_saved_plan_that_destroys_other_data_than_it_shows_is_stale(herocloud: Any, applied: Path) -> None:
    herocloud.done("plan", "--destroy", "--out", "gone.plan")
    _replace(herocloud)
    ran = herocloud("apply", "gone.plan")
    assert ran.code == 10
    assert "the data of `vm.db` is what `apply-1` made. Now it is: the data of `vm.db` is what `apply-2` made." in " ".join(ran.err.split())
    assert len(_addresses(herocloud)) == 3


def test_a_plan_that_destroys_nothing_relies_on_no_data(herocloud: Any, applied: Path, edit: Callable[[str, str], None]) -> None:
    edit("vcpus: 2,", "vcpus: 4,")
    plan = json.loads(herocloud.done("plan", "--json").out)
    assert [fact["key"] for fact in plan["facts"] if fact["key"].startswith("data:")] == []
