"""The layers of docs/architecture.md hold, and the page names the same ones in the same order."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def settings(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def test_nothing_is_imported_against_the_layers(root: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([str(linter), "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_every_contract_is_named_by_a_sentence(settings: dict[str, Any]) -> None:
    for contract in settings["contracts"]:
        assert len(contract["name"].split()) >= 4, contract["name"]


def test_the_architecture_page_names_the_layers_in_the_same_order(settings: dict[str, Any], root: Path) -> None:
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = next(contract for contract in settings["contracts"] if contract["type"] == "layers")["layers"]
    written = "  >  ".join(layer.strip("()").replace(" | ", ", ").replace(" : ", ", ") for layer in layers)
    assert written in page, f"the page should hold the line\n{written}"


def test_what_providers_share_stands_beside_their_packages_and_is_named(settings: dict[str, Any], root: Path) -> None:
    shared = {f"herocloud.providers.{path.stem}" for path in (root / "herocloud" / "providers").glob("*.py") if path.stem != "__init__"}
    apart = next(contract for contract in settings["contracts"] if contract["type"] == "independence")
    named = {module for line in apart["ignore_imports"] for module in line.split(" -> ") if "*" not in module}
    assert apart["modules"] == ["herocloud.providers.*"]
    assert shared <= named
