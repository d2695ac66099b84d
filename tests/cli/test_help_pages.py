"""Help: of groups from the command table, of each command from its own function."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from herocloud.cli import command_table, group_help

LEAVES = {" ".join(words): (words, leaf) for words, leaf in command_table.leaves()}


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("-help",), ("help",)], ids=" ".join)
def test_help_of_the_whole_goes_to_stdout(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud(*words)
    assert (ran.code, ran.out, ran.err) == (0, group_help.render(), "")


def test_no_words_at_all_are_an_error_of_usage_with_the_help_on_stderr(herocloud: Any) -> None:
    ran = herocloud()
    assert (ran.code, ran.out, ran.err) == (64, "", group_help.render())


@pytest.mark.parametrize("words", [("--version",), ("-version",), ("version",)], ids=" ".join)
def test_the_version_stands_alone(herocloud: Any, words: tuple[str, ...]) -> None:
    ran = herocloud.done(*words)
    assert ran.out == "herocloud 0.1.0\n"


@pytest.mark.parametrize(("words", "leaf"), LEAVES.values(), ids=LEAVES)
def test_the_line_in_the_catalogue_is_the_first_of_the_docstring(words: tuple[str, ...], leaf: command_table.Leaf) -> None:
    module = importlib.import_module(f"herocloud.cli.commands.{leaf.module}")
    assert inspect.getdoc(getattr(module, leaf.function)).splitlines()[0] == leaf.says  # type: ignore[union-attr]


@pytest.mark.parametrize(("words", "leaf"), LEAVES.values(), ids=LEAVES)
def test_every_command_has_help_that_says_what_it_does(herocloud: Any, words: tuple[str, ...], leaf: command_table.Leaf) -> None:
    ran = herocloud.done(*words, "--help")
    first = ran.out.splitlines()[2].strip()
    assert leaf.says.startswith(first.split("…")[0])
    assert all(flag in ran.out for flag in ("--data-dir", "--json", "--chdir", "--quiet"))


@pytest.mark.parametrize("group", [name for name, entry in command_table.COMMANDS.items() if isinstance(entry, command_table.Group)])
def test_a_group_lists_its_members(herocloud: Any, group: str) -> None:
    ran = herocloud.done(group, "--help")
    members = command_table.COMMANDS[group].members  # type: ignore[union-attr]
    assert all(f"\n  {name} " in ran.out for name in members)


@pytest.mark.parametrize("words", [(), ("state",), ("vm",)], ids=str)
def test_help_fits_eighty_columns(words: tuple[str, ...]) -> None:
    assert max(map(len, group_help.render(words).splitlines())) < group_help.WIDTH


def test_every_module_of_commands_is_in_the_catalogue() -> None:
    folder = Path(group_help.__file__).parent / "commands"
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {leaf.module for _, leaf in command_table.leaves()}
