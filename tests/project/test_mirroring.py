"""tests/ mirrors herocloud/ by folder, so that whoever reads a package finds what holds it."""

import re
from pathlib import Path

# Folders of tests that belong to no single package: the repository itself, and walks through several layers.
CROSSING = {"project", "scenarios", "crashing", "guests", "hostile", "model_of_host"}


def _packages(root: Path) -> set[str]:
    return {path.parent.name for path in (root / "herocloud").glob("*/__init__.py")}


def test_every_folder_of_tests_belongs_to_a_package(root: Path) -> None:
    folders = {path.name for path in (root / "tests").iterdir() if path.is_dir() and path.name not in {"__pycache__", "__snapshots__"}}
    assert folders - CROSSING <= _packages(root)


def test_every_package_with_code_has_a_folder_of_tests(root: Path) -> None:
    with_code = {path.parent.name for path in (root / "herocloud").glob("*/*.py") if path.name != "__init__.py"}
    with_tests = {path.parent.relative_to(root / "tests").parts[0] for path in (root / "tests").rglob("test_*.py")}
    assert with_code <= with_tests


def test_names_of_tests_read_as_sentences(root: Path) -> None:
    named = [
        f"{path.name}: {name}"
        for path in (root / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def test_(\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        if name.count("_") < 1
    ]
    assert not named


def test_no_test_waits_for_time_to_pass(root: Path) -> None:
    sleeping = [
        str(path)
        for path in (root / "tests").rglob("*.py")
        if re.search(r"\btime\.sle" + r"ep\(|\bsle" + r"ep \d", path.read_text(encoding="utf-8"))
    ]
    assert not sleeping
