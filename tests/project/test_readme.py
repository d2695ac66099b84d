"""The README shows only what the program prints: its stack is written, its commands are run, and what comes out is compared.

Blocks that begin with `$ ` are sessions: a command, then what it prints on either stream. They run one after the other in one folder, as
a reader would. Durations are the one thing that may differ.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = re.compile(r"\b\d+(\.\d+)? (ms|s|min)\b")
COMMANDS_IN_SHELL = ("scripts/", "git ", "cd ", "sed ", ".venv/")


class Said(NamedTuple):
    """One command of a session and what the README says that it prints."""

    command: str
    output: str


def _blocks(text: str, language: str) -> list[str]:
    return [body for name, body in _BLOCK.findall(text) if name == language]


def sessions(text: str) -> Iterator[Said]:
    for body in _blocks(text, "console"):
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Said(command, output.rstrip("\n"))


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def _settle(text: str) -> str:
    return _SECONDS.sub("<time>", "\n".join(line.rstrip() for line in text.strip("\n").splitlines()))


def test_every_session_of_the_readme_prints_what_it_says(readme: str, data_folder: Path, tmp_path: Path) -> None:
    stack = next(body for body in _blocks(readme, "yaml") if "\nstack: " in f"\n{body}")
    (tmp_path / "stack.yaml").write_text(stack, encoding="utf-8")
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HEROCLOUD_DATA_DIR": str(data_folder)}
    ran = 0
    for said in sessions(readme):
        if said.command.startswith(COMMANDS_IN_SHELL) and not said.command.startswith("sed "):
            continue
        ended = subprocess.run(
            shlex.split(said.command),
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert _settle(ended.stdout) == _settle(said.output), said.command
        ran += said.command.startswith("herocloud")
    assert ran >= 4


def test_the_stack_of_the_readme_is_short(readme: str) -> None:
    stack = next(body for body in _blocks(readme, "yaml") if "\nstack: " in f"\n{body}")
    assert len(stack.splitlines()) <= 14


def test_the_readme_names_the_two_commands_that_a_newcomer_needs(readme: str) -> None:
    commands = [said.command for said in sessions(readme)] + [line for body in _blocks(readme, "sh") for line in body.splitlines()]
    assert any(command.startswith("scripts/test") for command in commands)
    assert any(command.startswith("scripts/quickstart") for command in commands)


def test_every_command_that_the_readme_names_exists(readme: str) -> None:
    from herocloud.cli import catalogue

    named = set(re.findall(r"`herocloud ([a-z]+)", readme)) | {
        said.command.split()[1] for said in sessions(readme) if said.command.startswith("herocloud ")
    }
    assert named
    assert {name for name in named if not name.startswith("-")} <= set(catalogue.COMMANDS)
