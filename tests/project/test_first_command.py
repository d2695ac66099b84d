"""The page `Your first command`: its changes apply, and the command is there for people, scripts and help."""

from pathlib import Path

import pytest

from tests.project import page_changes
from tests.project.page_changes import Changed

STACK = """\
stack: shop
images:
  tiny: {source: "https://images.example.org/tiny.qcow2", unpinned: true, format: qcow2}
vms:
  web: {image: tiny, memory: 1 GiB, count: 3}
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Changed:
    """Return the changed program, with three VMs of which one is stopped."""
    made = page_changes.apply_page(Path(__file__).resolve().parents[2], "first-command.md", tmp_path_factory.mktemp("command"))
    assert made.herocloud("vm", "count") == "There are no VMs.\n"
    (made.work / "stack.yaml").write_text(STACK, encoding="utf-8")
    assert "Done" in made.herocloud("apply", "-y")
    assert "Done" in made.herocloud("vm", "stop", "web[1]")
    return made


@pytest.mark.parametrize("command", ["vm count", "vm count --json"])
def test_the_command_prints_what_the_page_shows(changed: Changed, command: str) -> None:
    assert changed.herocloud(*command.split()) == page_changes.shown_output(changed.page, f"herocloud {command}")


def test_help_and_suggestions_know_it(changed: Changed) -> None:
    assert "count     Count the VMs by state." in changed.herocloud("vm", "--help")
    assert "--stack NAME" in changed.herocloud("vm", "count", "--help")
    assert changed.herocloud("vm", "cout").startswith(page_changes.shown_output(changed.page, "herocloud vm cout"))
