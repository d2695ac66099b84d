"""What the engine knows of a provider stands in its declaration: nobody else compares names of providers, and no type is waved through."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers import registry

PRODUCT = Path(__file__).parents[2] / "herocloud"
OWN = "providers/simulator/"
REGISTRY = "providers/registry.py"
GENERATED = "Generated from `openrpc.json`"
"""How the summary of a module begins that is made of the document, which lists the hypervisors that a caller may name."""


def find_names(source: str, name: str) -> Iterator[int]:
    """Yield the lines that hold a provider's name as a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value == name:
            yield node.lineno


def find_imports(source: str, package: str) -> Iterator[int]:
    """Yield the lines that import a package or something out of it, also by its name as a text."""
    parent, _, last = package.rpartition(".")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            taken = [f"{package}.{alias.name}" for alias in node.names] if node.module == package else []
            modules = [node.module or "", *taken, *(package for alias in node.names if (node.module, alias.name) == (parent, last))]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            modules = [node.value]
        else:
            continue
        if any(module == package or module.startswith(f"{package}.") for module in modules):
            yield node.lineno


def find_blind_casts(source: str) -> Iterator[int]:
    """Yield the lines that cast something to `Any`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("cast") and node.args and _is_any(node.args[0]):
            yield node.lineno


def _is_any(node: ast.expr) -> bool:
    return ast.unparse(node).strip("'\"") in {"Any", "typing.Any"}


def _sources() -> Iterator[tuple[str, str]]:
    for path in sorted(PRODUCT.rglob("*.py")):
        yield str(path.relative_to(PRODUCT)), path.read_text(encoding="utf-8")


AMBIGUOUS = {"images", "mycelium", "network"}
"""Names of providers that are also words for kinds of resources and roles."""


@pytest.mark.parametrize("provider", sorted({*registry.names()} - AMBIGUOUS))
def test_a_provider_is_named_in_its_own_package_only(provider: str) -> None:
    found = [
        f"{name}:{line}"
        for name, source in _sources()
        if not name.startswith(f"providers/{provider.replace('-', '_')}/") and GENERATED not in source.partition("\n")[0]
        for line in find_names(source, provider)
    ]
    assert found == [], "ask the declaration: `registry.simulation()`, `is_simulated`, a capability"


def test_the_simulator_is_imported_by_the_registry_only() -> None:
    found = [
        f"{name}:{line}"
        for name, source in _sources()
        if not name.startswith(OWN) and name != REGISTRY
        for line in find_imports(source, "herocloud.providers.simulator")
    ]
    assert found == [], "ask the declaration; what it lacks becomes a field of the seam"


def test_nothing_is_cast_to_any() -> None:
    assert [f"{name}:{line}" for name, source in _sources() for line in find_blind_casts(source)] == []


@pytest.mark.parametrize(
    "source", ['cast("Any", module).check()', "typing.cast(Any, module)", "cast('typing.Any', module)"], ids=["quoted", "plain", "dotted"]
)
def test_a_blind_cast_is_found(source: str) -> None:
    assert list(find_blind_casts(source)) == [1]


@pytest.mark.parametrize("source", ['if provider == "simulator": pass', 'Example({"hypervisor": "simulator"})', 'Literal["simulator"]'])
def test_a_name_is_found(source: str) -> None:
    assert list(find_names(source, "simulator")) == [1]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from a.simulator import guest", True),
        ("from a import simulator", True),
        ("import a.simulator.guest", True),
        ("from a.simulator.guest import run", True),
        ('importlib.import_module("a.simulator.guest")', True),
        ("from a import simulators", False),
        ("import a.simulation", False),
    ],
)
def test_an_import_is_found(source: str, *, found: bool) -> None:
    assert list(find_imports(source, "a.simulator")) == [1] * found
