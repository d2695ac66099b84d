"""Every command that a message, a hint or a page names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.cli.command_table import COMMANDS, Group

_NAMED = re.compile(r"`herocloud ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)")


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Return the texts of a module, those with values in them with blanks for the values."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def unknown(text: str) -> Iterator[str]:
    """Return the commands in a text that the command line does not have."""
    for named in _NAMED.findall(text):
        known = COMMANDS
        for word in named.split():
            if word not in known:
                yield named
                break
            one = known[word]
            if not isinstance(one, Group):
                break
            known = one.members


@pytest.mark.world
def test_every_command_that_a_message_names_exists(repository: Path) -> None:
    wrong = [
        f"{path.relative_to(repository)}:{line}: {name}"
        for path in sorted((repository / "herocloud").rglob("*.py"))
        for line, text in strings(path)
        for name in unknown(text)
    ]
    assert wrong == []


@pytest.mark.world
def test_every_command_that_a_page_names_exists(repository: Path) -> None:
    # One page adds a command step by step, and calls it.
    pages = [page for page in (repository / "docs").rglob("*.md") if page.name != "first-command.md"]
    pages.append(repository / "README.md")
    wrong = [f"{page.name}: {name}" for page in pages for name in unknown(page.read_text(encoding="utf-8"))]
    assert wrong == []


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert list(unknown("`herocloud capacity` shows it, `herocloud vm list` and `herocloud state gone`")) == ["capacity", "state gone"]
