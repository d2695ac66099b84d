"""What the engine knows of a provider stands in its declaration: nobody else compares names of providers, and no type is waved through."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PRODUCT = Path(__file__).parents[2] / "herocloud"
OWN = "providers/simulator/"
PUBLISHED = {
    "rpc/client/": "generated from the document, which lists the hypervisors that a caller may name",
    "rpc/methods/": "examples in the document, and the words of a parameter; no comparison",
}


def find_names(source: str, name: str, *, published: bool = False) -> Iterator[int]:
    """Yield the lines that hold a provider's name as a text; of what is published, only those that compare or keep it."""
    tree = ast.parse(source)
    shown = (
        {id(one) for node in ast.walk(tree) if isinstance(node, (ast.Dict, ast.Subscript)) for one in ast.walk(node)}
        if published
        else set()
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == name and id(node) not in shown:
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


def test_the_simulator_is_named_in_its_own_package_only() -> None:
    found = [
        f"{name}:{line}"
        for name, source in _sources()
        if not name.startswith(OWN)
        for line in find_names(source, "simulator", published=name.startswith(tuple(PUBLISHED)))
    ]
    assert found == [], "ask the declaration: `registry.simulation()`, `is_simulated`, a capability"


def test_nothing_is_cast_to_any() -> None:
    assert [f"{name}:{line}" for name, source in _sources() for line in find_blind_casts(source)] == []


@pytest.mark.parametrize(
    "source", ['cast("Any", module).check()', "typing.cast(Any, module)", "cast('typing.Any', module)"], ids=["quoted", "plain", "dotted"]
)
def test_a_blind_cast_is_found(source: str) -> None:
    assert list(find_blind_casts(source)) == [1]


def test_a_comparison_is_found_and_an_example_of_what_is_published_is_not() -> None:
    assert list(find_names('if provider == "simulator": pass', "simulator", published=True)) == [1]
    assert list(find_names('Example({"hypervisor": "simulator"})', "simulator", published=True)) == []
    assert list(find_names('Example({"hypervisor": "simulator"})', "simulator")) == [1]
