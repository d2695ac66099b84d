"""Help: of the whole program from a checked-in page, of each command from its own function."""

import importlib
import inspect
from typing import Any

import pytest

from herocloud.cli import catalogue, help_pages

LEAVES = {" ".join(words): (words, leaf) for words, leaf in catalogue.leaves()}


def test_the_checked_in_page_is_what_the_parser_prints() -> None:
    assert help_pages.PAGE.read_text(encoding="utf-8") == help_pages.render(), "run: python -m herocloud.cli.help_pages"


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("-help",), ("help",)], ids=" ".join)
def test_help_of_the_whole_goes_to_stdout(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud(*words)
    assert (ran.code, ran.out, ran.err) == (0, help_pages.PAGE.read_text(encoding="utf-8"), "")


def test_no_words_at_all_are_an_error_of_usage_with_the_help_on_stderr(herocloud: Any) -> None:
    ran = herocloud()
    assert (ran.code, ran.out, ran.err) == (64, "", help_pages.PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("words", [("--version",), ("-version",), ("version",)], ids=" ".join)
def test_the_version_stands_alone(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud.done(*words)
    assert ran.out == "herocloud 0.1.0\n"


@pytest.mark.parametrize(("words", "leaf"), LEAVES.values(), ids=LEAVES)
def test_the_line_in_the_catalogue_is_the_first_of_the_docstring(words: tuple[str, ...], leaf: catalogue.Leaf) -> None:
    module = importlib.import_module(f"herocloud.cli.commands.{leaf.module}")
    assert inspect.getdoc(getattr(module, leaf.function)).splitlines()[0] == leaf.says  # type: ignore[union-attr]


@pytest.mark.parametrize(("words", "leaf"), LEAVES.values(), ids=LEAVES)
def test_every_command_has_help_that_says_what_it_does(herocloud: Any, words: tuple[str, ...], leaf: catalogue.Leaf) -> None:
    ran = herocloud.done(*words, "--help")
    first = ran.out.splitlines()[2].strip()
    assert leaf.says.startswith(first.split("…")[0])
    assert all(flag in ran.out for flag in ("--data-dir", "--json", "--chdir", "--quiet"))


@pytest.mark.parametrize("group", [name for name, entry in catalogue.COMMANDS.items() if isinstance(entry, catalogue.Group)])
def test_a_group_lists_its_members(herocloud: Any, group: str) -> None:
    ran = herocloud.done(group, "--help")
    members = catalogue.COMMANDS[group].members  # type: ignore[union-attr]
    assert all(f"\n  {name} " in ran.out for name in members)


def test_every_module_of_commands_is_in_the_catalogue() -> None:
    folder = help_pages.PAGE.parent / "commands"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {leaf.module for _, leaf in catalogue.leaves()}
