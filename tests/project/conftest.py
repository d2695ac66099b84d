"""What the tests about the repository itself look at."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_GENERATED = {
    ".git",
    ".venv",
    "__pycache__",
    "dist",
    "build",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    ".pytest_cache",
    ".import_linter_cache",
}


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in _GENERATED or entry.name.endswith(".egg-info"):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def files(root: Path) -> Sequence[Path]:
    """Return every file that is committed or about to be; without git, everything that no tool made."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return list(_walk(root))
    return [path for name in listed.stdout.decode().split("\0") if name and (path := root / name).is_file()]


@pytest.fixture(scope="session")
def modules(root: Path) -> Sequence[Path]:
    """Return every Python module of the product."""
    return sorted((root / "herocloud").rglob("*.py"))
