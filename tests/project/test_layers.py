"""The layers of docs/architecture.md hold, and the page names the same ones in the same order."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
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


@pytest.mark.parametrize("of", ["herocloud", "herocloud.rpc"])
def test_the_architecture_page_names_the_layers_in_the_same_order(settings: dict[str, Any], root: Path, of: str) -> None:
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    layers = next(contract for contract in settings["contracts"] if contract.get("containers") == [of])["layers"]
    written = "  >  ".join(layer.strip("()").replace(" | ", ", ").replace(" : ", ", ") for layer in layers)
    assert written in page, f"the page should hold the line\n{written}"


def test_what_providers_share_stands_beside_their_packages_and_is_named(settings: dict[str, Any], root: Path) -> None:
    shared = {f"herocloud.providers.{path.stem}" for path in (root / "herocloud" / "providers").glob("*.py") if path.stem != "__init__"}
    apart = next(contract for contract in settings["contracts"] if contract["type"] == "independence")
    named = {module for line in apart["ignore_imports"] for module in line.split(" -> ") if "*" not in module}
    assert apart["modules"] == ["herocloud.providers.*"]
    assert shared <= named


def _imports(module: str, source: str) -> Iterator[str]:
    """Yield what a module imports from ours, late and for annotations too; a name from a package may be a module of it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                yield f"{node.module}"


_STARTERS = re.compile(
    r"\bsubprocess\.(run|Popen|call|check_call|check_output)\(|create_subprocess_|\bos\.(system|popen|spawn\w+)\(|multiprocessing"
)
_START_PROGRAMS = {"subprocesses.py", "daemon_process.py", "generation.py"}
"""A command starts a daemon itself, and the tool that generates the client a formatter: neither is a daemon with threads."""


def test_programs_are_started_in_one_place(root: Path) -> None:
    """Whatever a daemon started elsewhere would share the one processor of its threads for good, a VMM among them."""
    paths = (root / "herocloud").rglob("*.py")
    assert {path.name for path in paths if _STARTERS.search(path.read_text(encoding="utf-8"))} == _START_PROGRAMS


def find_circle(sources: dict[str, str]) -> list[str]:
    """Return modules that import each other in a circle, the first one twice; nothing where there is none."""
    needs = {module: {name for name in _imports(module, source) if name in sources} - {module} for module, source in sources.items()}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as circle:
        return list(circle.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle(root: Path) -> None:
    package = root / "herocloud"
    paths = [path for path in package.rglob("*.py") if path.name != "__init__.py"]
    sources = {".".join(path.relative_to(root).with_suffix("").parts): path.read_text(encoding="utf-8") for path in paths}
    assert len(sources) > 400
    assert find_circle(sources) == []


@pytest.mark.parametrize(
    "back",
    [
        pytest.param("def late():\n    from ours import first", id="late"),
        pytest.param("if TYPE_CHECKING:\n    from ours.first import Kind", id="for annotations"),
    ],
)
def test_a_circle_is_found_however_it_is_hidden(back: str) -> None:
    assert set(find_circle({"ours.first": "from ours import second", "ours.second": back})) == {"ours.first", "ours.second"}
