"""Tab completion, as a shell asks for it."""

import os
from pathlib import Path
from typing import Any

import pytest


def _complete(herocloud: Any, words: str) -> list[str]:
    number = len(words.split(" ")) - 1
    asked = {"_HEROCLOUD_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    return herocloud(environment=asked).out.split()  # type: ignore[no-any-return]


def test_commands_are_completed(herocloud: Any) -> None:
    assert _complete(herocloud, "herocloud pl") == ["plan"]
    assert _complete(herocloud, "herocloud state m") == ["mv"]


def test_flags_are_completed(herocloud: Any) -> None:
    assert _complete(herocloud, "herocloud plan --detailed") == ["--detailed-exitcode"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(herocloud: Any, shell: str) -> None:
    script = herocloud.done("completion", shell).out
    assert "_HEROCLOUD_COMPLETE=complete_" + shell in script


def test_the_shell_is_guessed_from_the_environment(herocloud: Any) -> None:
    assert herocloud.done("completion", environment={"SHELL": "/usr/bin/fish"}).out == herocloud.done("completion", "fish").out
    assert herocloud("completion", environment={"SHELL": "/bin/sh"}).code == 64


@pytest.mark.parametrize(("shell", "file"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_installing_twice_adds_one_line(herocloud: Any, tmp_path: Path, shell: str, file: str) -> None:
    home = {"HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / file).write_text("alias ll='ls -l'", encoding="utf-8")
    first = herocloud.done("completion", shell, "--install", environment=home)
    before = (tmp_path / "home" / file).read_text(encoding="utf-8")
    herocloud.done("completion", shell, "--install", environment=home)
    after = (tmp_path / "home" / file).read_text(encoding="utf-8")
    assert before == after
    assert before.startswith("alias ll='ls -l'\n")
    place = Path(first.out.split(" in ")[1].split(";")[0])
    assert "_HEROCLOUD_COMPLETE" in place.read_text(encoding="utf-8")


def test_a_question_without_sense_shows_no_traceback(herocloud: Any) -> None:
    ran = herocloud(environment={"_HEROCLOUD_COMPLETE": "nonsense", **os.environ})
    assert ran.code == 1
    assert "Traceback" not in ran.both
