"""Colour: on a terminal only, and the flag and the variables stand above that."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.cli import terminal

CASES: dict[str, tuple[dict[str, str], bool, bool, bool]] = {
    "a terminal": ({}, False, True, True),
    "a pipe": ({}, False, False, False),
    "the flag": ({"FORCE_COLOR": "1"}, True, True, False),
    "NO_COLOR": ({"NO_COLOR": "1"}, False, True, False),
    "an empty NO_COLOR says nothing": ({"NO_COLOR": ""}, False, True, True),
    "NO_COLOR stands above FORCE_COLOR": ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False, False),
    "FORCE_COLOR": ({"FORCE_COLOR": "1"}, False, False, True),
    "FORCE_COLOR=0": ({"FORCE_COLOR": "0"}, False, True, False),
    "CLICOLOR_FORCE": ({"CLICOLOR_FORCE": "1"}, False, False, True),
    "a dumb terminal": ({"TERM": "dumb"}, False, True, False),
}


@pytest.mark.parametrize(("environment", "no_color", "is_terminal", "wanted"), CASES.values(), ids=CASES)
def test_colour_follows_flag_variables_and_terminal(environment: dict[str, str], no_color: bool, is_terminal: bool, wanted: bool) -> None:  # noqa: FBT001
    assert terminal.wants_color(environment, no_color=no_color, terminal=is_terminal) is wanted


def test_no_escape_reaches_a_pipe(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    ran = herocloud.done("plan")
    assert "\x1b" not in ran.out + ran.err


def test_forced_colour_reaches_a_pipe_and_the_flag_stops_it(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[32m" in herocloud.done("plan", environment={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in herocloud.done("plan", "--no-color", environment={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in herocloud.done("--no-color", "plan", environment={"FORCE_COLOR": "1"}).out


def test_colour_never_carries_a_meaning_of_its_own(herocloud: Any, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    plain = herocloud.done("plan").out
    monkeypatch.delenv("NO_COLOR")
    vivid = herocloud.done("plan", environment={"FORCE_COLOR": "1"}).out
    assert re.sub(r"\x1b\[\d+m", "", vivid) == plain
