"""init and fmt: files written, and never overwritten by mistake."""

from pathlib import Path
from typing import Any

import pytest


def test_the_starter_is_in_canonical_layout_and_plans(herocloud: Any, tmp_path: Path) -> None:
    herocloud.done("init", str(tmp_path / "My Shop"))
    herocloud.done("--chdir", str(tmp_path / "My Shop"), "fmt", "--check")
    assert "stack my-shop" in herocloud.done("--chdir", str(tmp_path / "My Shop"), "plan").out


def test_a_stack_file_that_exists_is_left_alone(herocloud: Any, shop: Path) -> None:
    before = shop.read_text(encoding="utf-8")
    ran = herocloud("init")
    assert ran.code == 1
    assert shop.read_text(encoding="utf-8") == before


def test_gitignore_is_added_to_once(herocloud: Any) -> None:
    herocloud.write("build", ".gitignore")
    herocloud.done("init")
    (herocloud.folder / "stack.yaml").unlink()
    herocloud.done("init")
    lines = (herocloud.folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "build"
    assert lines.count("*.hcplan") == 1


def test_formatting_keeps_comments_and_the_mode_of_the_file(herocloud: Any) -> None:
    path = herocloud.write("# ours\nstack:   shop # a shop\n")
    path.chmod(0o640)
    assert herocloud.done("fmt").out == "stack.yaml\n"
    assert path.read_text(encoding="utf-8") == "# ours\nstack: shop   # a shop\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert herocloud.done("fmt").out == ""


def test_a_difference_is_shown_and_nothing_written(herocloud: Any) -> None:
    path = herocloud.write("stack:   shop\n")
    ran = herocloud("fmt", "--check", "--diff")
    assert ran.code == 3
    assert "-stack:   shop\n+stack: shop\n" in ran.out
    assert path.read_text(encoding="utf-8") == "stack:   shop\n"


def test_standard_input_comes_back_formatted(herocloud: Any) -> None:
    assert herocloud.done("fmt", "-f", "-", stdin="stack:   shop\n").out == "stack: shop\n"


@pytest.mark.parametrize("text", ["stack: [", "- a\n"], ids=["no YAML", "a list"])
def test_what_cannot_be_formatted_is_left_alone(herocloud: Any, text: str) -> None:
    path = herocloud.write(text)
    ran = herocloud("fmt")
    assert ran.code == 1
    assert "stack.yaml:" in ran.err
    assert path.read_text(encoding="utf-8") == text


def test_twelve_mistakes_are_twelve_findings_in_one_run(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms:\n" + "".join(f"  web{number}: {{vcpu: 1}}\n" for number in range(12)))
    ran = herocloud("validate")
    assert ran.code == 1
    assert ran.err.count("did you mean `vcpus`?") == 12
    assert all(f"stack.yaml:{line}:" in ran.err for line in range(3, 15))
    assert not (herocloud.data_folder / "state.db").exists()
