"""Questions: asked on a terminal only, answered with one word only."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = Callable[..., tuple[int, str]]


def _has_terminals() -> bool:
    try:
        ends = os.openpty()
    except OSError:
        return False
    for end in ends:
        os.close(end)
    return True


pytestmark = pytest.mark.skipif(not _has_terminals(), reason="no pseudo-terminals here: /dev/pts is not mounted")


def test_only_yes_is_a_yes(herocloud: Any, shop: Path, answer: Answer) -> None:
    for word in ("y", "Yes", "yes please", "no", ""):
        code, screen = answer("apply", answer=f"{word}\n")
        assert code == 12, screen
        assert "nothing was changed" in screen
    assert not (herocloud.data_folder / "state.db").exists()
    code, screen = answer("apply", answer="yes\n")
    assert code == 0, screen
    assert "6 added" in screen


def test_the_loss_of_one_things_data_takes_its_name(herocloud: Any, applied: Path, answer: Answer) -> None:
    code, screen = answer("vm", "delete", "db", answer="yes\n")
    assert code == 12
    assert "Type its name, `db`, to approve: " in screen
    assert "The answer was not `db`, so nothing was changed. Not approved: destroy." in " ".join(screen.split())
    assert answer("vm", "delete", "db", answer="db\n")[0] == 0


def test_the_whole_address_is_as_good_as_the_name(herocloud: Any, applied: Path, answer: Answer) -> None:
    assert answer("destroy", "--target", "vm.web[1]", answer="vm.web[0]\n")[0] == 12
    assert answer("destroy", "--target", "vm.web[1]", answer="vm.web[1]\n")[0] == 0


def test_the_loss_of_several_things_data_takes_the_name_of_the_stack(herocloud: Any, applied: Path, answer: Answer) -> None:
    code, screen = answer("destroy", answer="yes\n")
    assert code == 12
    assert "Type the name of the stack, `shop`, to approve: " in screen
    assert answer("destroy", answer="shop\n")[0] == 0


def test_what_is_approved_by_class_is_not_asked_again(herocloud: Any, shop: Path, answer: Answer) -> None:
    code, screen = answer("apply", "--approve", "create", answer="no\n")
    assert code == 0
    assert "to continue" not in screen


def test_a_closed_line_is_a_no(herocloud: Any, shop: Path, answer: Answer) -> None:
    code, screen = answer("apply", answer="\x04")
    assert code == 12, screen


def test_an_interrupt_at_the_question_changes_nothing(herocloud: Any, shop: Path, answer: Answer) -> None:
    code, screen = answer("apply", answer="\x03")
    assert code == 130, screen
    assert "Traceback" not in screen
    assert not (herocloud.data_folder / "state.db").exists()


@pytest.mark.parametrize(
    ("flag", "why"),
    [("--no-input", "`--no-input` forbids to ask"), ("-input=false", "`--no-input` forbids to ask"), ("--json", "`--json` never asks")],
)
def test_a_terminal_is_not_asked_when_told_so(herocloud: Any, shop: Path, answer: Answer, flag: str, why: str) -> None:
    code, screen = answer("apply", flag, answer="yes\n")
    assert code == 12
    assert "to continue" not in screen
    assert why in screen
    assert "no terminal" not in screen


def test_a_saved_plan_never_asks(herocloud: Any, shop: Path, answer: Answer) -> None:
    herocloud.done("plan", "--out", "p.hcplan")
    code, screen = answer("apply", "p.hcplan", answer="no\n")
    assert code == 0, screen
    assert "to continue" not in screen


def test_nothing_waits_for_input_without_a_terminal(herocloud: Any, shop: Path) -> None:
    ran = herocloud("apply", stdin="yes\n")
    assert ran.code == 12
    assert "there is no terminal to ask at" in ran.err
