"""`undo` without an argument takes back the last apply of the stack here, not of whatever was applied last in the data folder."""

from pathlib import Path
from typing import Any

import pytest

NETWORK = "stack: {name}\nnetworks: {{lan: {{cidr: 10.{number}.0.0/24}}}}\n"


def test_the_last_apply_of_another_stack_is_left_alone(herocloud: Any) -> None:
    herocloud.write(NETWORK.format(name="shop", number=42), "shop.yaml")
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "shop.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    herocloud.done("undo", "-y", "-f", "shop.yaml")
    left = herocloud.done("state", "list").out
    assert "lab" in left
    assert "shop" not in left


def test_without_a_stack_file_the_newest_of_all_is_meant(herocloud: Any) -> None:
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    herocloud.done("undo", "-y")
    assert "lab" not in herocloud.done("state", "list").out


def test_a_stack_that_was_never_applied_has_nothing_to_undo(herocloud: Any) -> None:
    herocloud.write(NETWORK.format(name="shop", number=42), "shop.yaml")
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    ran = herocloud("undo", "-y", "-f", "shop.yaml")
    assert ran.code == 1
    assert "nothing to undo" in ran.err
    assert "lab" in herocloud.done("state", "list").out


@pytest.fixture
def two_stacks(herocloud: Any) -> Path:
    """Apply `shop` and then `lab`; returns the file of `shop`, which lies in the folder as the stack here."""
    shop: Path = herocloud.write(NETWORK.format(name="shop", number=42))
    herocloud.write(NETWORK.format(name="lab", number=43), "lab.yaml")
    herocloud.done("apply", "-y")
    herocloud.done("apply", "-y", "-f", "lab.yaml")
    return shop


FORMS = {
    "quoted key": '"stack": shop\n{rest}',
    "blank before the colon": "stack : shop\n{rest}",
    "indented": "  stack: shop\n  {rest}",
    "written out key": "? stack\n: shop\n{rest}",
    "value in the next line": "stack:\n  shop\n{rest}",
    "merged": "<<: {{stack: shop}}\n{rest}",
    "variable": 'variables: {{env: {{default: shop}}}}\nstack: "{{{{ env }}}}"\n{rest}',
    "one line": '{{"stack": "shop", {rest}}}',
}


@pytest.mark.parametrize("form", FORMS)
def test_the_stack_here_is_known_however_its_file_is_written(herocloud: Any, two_stacks: Path, form: str) -> None:
    two_stacks.write_text(FORMS[form].format(rest='"networks": {"lan": {"cidr": "10.42.0.0/24"}}'), encoding="utf-8")
    assert "lab" not in herocloud.done("state", "list").out
    assert "lab" not in herocloud.done("state", "log").out
    herocloud.done("undo", "-y")
    assert herocloud.done("state", "list", "--stack", "lab").out != "Nothing is recorded.\n"
    assert "No changes" in herocloud.done("plan", "-f", "lab.yaml").out
    assert "network.lan" in herocloud("plan").out


NAMELESS = ["", "networks: {}\n", "stack: [shop]\n", "{stack", 'stack: "{{ env }}"\nvariables: {env: {}}\n', "Stack: shop\n"]
GUESSING = [
    ("undo", "-y"), ("undo", "-y", "-f", "missing.yaml"), ("resume", "-y"), ("resume", "--rollback", "-y"), ("state", "list"),
    ("state", "log"), ("state", "show", "network.lan"), ("state", "rm", "network.lan"), ("vm", "list"), ("vm", "stop", "db"), ("drift",),
]  # fmt: skip


@pytest.mark.parametrize("text", NAMELESS)
def test_a_file_without_a_name_never_means_another_stack(herocloud: Any, two_stacks: Path, text: str) -> None:
    two_stacks.write_text(text, encoding="utf-8")
    ran = herocloud("undo", "-y")
    assert ran.code == 1
    assert "The stack here has no name that can be read" in ran.err
    assert "`herocloud validate` shows what is wrong with it" in ran.err
    assert "No changes" in herocloud.done("plan", "-f", "lab.yaml").out


@pytest.mark.parametrize("command", GUESSING, ids=" ".join)
def test_no_command_falls_back_to_every_stack(herocloud: Any, two_stacks: Path, command: tuple[str, ...]) -> None:
    two_stacks.write_text("stacks: shop\n", encoding="utf-8")
    ran = herocloud(*command)
    assert (ran.code, "The stack here has no name that can be read" in ran.err) == (1, True)


def test_what_names_its_apply_or_stack_needs_no_file(herocloud: Any, two_stacks: Path) -> None:
    two_stacks.write_text("stacks: shop\n", encoding="utf-8")
    assert "network.lan" in herocloud.done("state", "list", "--stack", "shop").out
    herocloud.done("undo", "-y", "apply-1")
    assert "lab" in herocloud.done("state", "list", "--stack", "lab").out
