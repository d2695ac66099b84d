"""The lock holds what the project file asks for, with hashes, and names no place that packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; [^\\\n]+)? \\$", re.MULTILINE)


def _pins(path: Path) -> dict[str, str]:
    return dict(_PIN.findall(path.read_text(encoding="utf-8")))


def _asked(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[._-]+", "-", name.group()).lower() for name in names if name}


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_every_locked_package_has_hashes(root: Path, name: str) -> None:
    text = (root / "requirements" / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pins(root / "requirements" / name))
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_the_lock_names_no_place_that_packages_come_from(root: Path, name: str) -> None:
    _, text = (root / "requirements" / name).read_text(encoding="utf-8").split("\n", 1)
    assert not re.search(r"://|--index-url|--extra-index|--find-links|--trusted-host|^\s*#.*/", text, re.MULTILINE)


def test_the_lock_covers_what_the_project_file_asks_for(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert _asked(project["dependencies"]) <= set(_pins(root / "requirements" / "runtime.txt"))
    assert _asked(project["optional-dependencies"]["dev"]) <= set(_pins(root / "requirements" / "dev.txt"))


def test_developers_run_the_versions_that_users_get(root: Path) -> None:
    runtime, dev = (_pins(root / "requirements" / name) for name in ("runtime.txt", "dev.txt"))
    assert runtime.items() <= dev.items()
