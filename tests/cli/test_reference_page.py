"""docs/cli.md has a heading for every command and a row for every flag, with the words of the program itself."""

import re
from pathlib import Path
from typing import Any

import pytest

from herocloud.cli import command_table, exit_codes, typer_tree

TITLES = {"variables", "planning flags", "approval flags", "running flags", "view flags"}
LEAVES = {" ".join(words): words for words, _ in command_table.leaves()}


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """Return the text under each heading of the third level, by the heading."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    pieces = re.split(r"^#{2,3} (.+)$", page, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def _rows(text: str) -> dict[str, tuple[str, str]]:
    """Return help and environment variable by the first long name of each flag."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and cells[0].startswith("`-"):
            found[re.findall(r"--[a-z-]+", cells[0])[0]] = (cells[1].replace("\\|", "|"), cells[2].strip("`"))
    return found


def _heading(words: tuple[str, ...], command: Any) -> str:
    arguments = [parameter.metavar for parameter in command.params if parameter.param_type_name == "argument"]
    return f"`herocloud {' '.join([*words, *arguments])}`"


def _command(words: tuple[str, ...]) -> Any:
    command: Any = typer_tree.grow()
    context = command.make_context("herocloud", [], resilient_parsing=True)
    for word in words:
        command = command.get_command(context, word)
    return command


@pytest.mark.parametrize("words", LEAVES.values(), ids=LEAVES)
def test_a_command_has_its_heading_and_every_flag_its_row(sections: dict[str, str], words: tuple[str, ...]) -> None:
    command = _command(words)
    text = sections[_heading(words, command)]
    documented = {**_rows(sections["Global flags"]), **_rows(text)}
    for title in re.findall(r"\[([a-z ]+)\]\(#", text):
        assert title in TITLES
        documented |= _rows(sections[title.capitalize()])
    options = [parameter for parameter in command.params if parameter.param_type_name == "option" and parameter.name != "help"]
    assert documented == {option.opts[0]: (option.help, option.envvar or "") for option in options}
    assert command_table.find(words).says in " ".join(text.split())  # type: ignore[union-attr]


def test_no_heading_is_about_a_command_that_is_not_there(sections: dict[str, str]) -> None:
    documented = {heading for heading in sections if heading.startswith("`herocloud ")}
    assert documented == {_heading(words, _command(words)) for words in LEAVES.values()}


def test_every_exit_code_has_its_row(sections: dict[str, str]) -> None:
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", sections["Exit codes"], re.MULTILINE)}
    assert documented == {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}


def test_every_class_of_approval_has_its_row(sections: dict[str, str]) -> None:
    from herocloud.model.words import Approval

    assert re.findall(r"^\| `(\w+)` \|", sections["Approval"], re.MULTILINE) == [one.value for one in Approval]
