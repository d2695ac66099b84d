"""The project file keeps its promises: every rule that is switched off has its reason, and everything strict is on."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tools(text: str) -> dict[str, Any]:
    return tomllib.loads(text)["tool"]


def test_every_lint_rule_is_on_and_every_exception_has_its_reason(text: str, tools: dict[str, Any]) -> None:
    assert tools["ruff"]["lint"]["select"] == ["ALL"]
    for rule in tools["ruff"]["lint"]["ignore"]:
        assert re.search(rf'^    "{rule}", # \S.{{7,}}$', text, re.MULTILINE), f"{rule} has no reason"


def test_types_are_checked_strictly_with_the_plugin_for_models(tools: dict[str, Any]) -> None:
    assert tools["mypy"]["strict"] is True
    assert "pydantic.mypy" in tools["mypy"]["plugins"]


def test_a_warning_fails_a_test_and_an_unknown_marker_stops_the_run(tools: dict[str, Any]) -> None:
    options = tools["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error"
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"].split())
    assert options["xfail_strict"] is True


def test_a_silenced_checker_names_the_rule_it_silences(root: Path) -> None:
    silenced = re.compile(r"#\s*(noqa(?!: [A-Z]+)|type: ignore(?!\[))")
    found = [
        f"{path.name}: {line.strip()}"
        for folder in ("herocloud", "tests", "bench")
        for path in (root / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if silenced.search(line)
    ]
    assert not found


def test_the_licence_is_named_the_same_everywhere(root: Path, text: str) -> None:
    name = tomllib.loads(text)["project"]["license"]
    assert f"SPDX-License-Identifier: {name}\n" in (root / "LICENSE").read_text(encoding="utf-8")
    assert name in (root / "README.md").read_text(encoding="utf-8")
