"""The README shows only what the program prints, and names only what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

_COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def test_every_session_of_the_readme_prints_what_it_says(root: Path) -> None:
    ended = subprocess.run([sys.executable, str(root / "scripts" / "readme"), "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"run scripts/readme and read what changed:\n{ended.stdout}{ended.stderr}"


def test_the_sessions_show_the_whole_loop(readme: str) -> None:
    commands = _COMMAND.findall(readme)
    assert len([command for command in commands if command.startswith("herocloud")]) >= 4
    assert "No changes." in readme
    assert "update live" in readme


def test_the_stack_of_the_readme_is_short(readme: str) -> None:
    stack = re.search(r"^```yaml\n(stack: .*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert stack
    assert len(stack.group(1).splitlines()) <= 14


def test_the_readme_names_the_two_commands_that_a_newcomer_needs(readme: str) -> None:
    block = re.search(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert block
    assert [line.split()[0] for line in block.group(1).splitlines()] == ["scripts/quickstart", "scripts/test"]


def test_every_command_that_the_readme_names_exists(readme: str) -> None:
    from herocloud.cli import command_table

    named = set(re.findall(r"(?:`|^\$ )herocloud ([a-z]+)", readme, re.MULTILINE))
    assert named
    assert named <= set(command_table.COMMANDS)
