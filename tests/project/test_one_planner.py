"""Whatever is executed was made by the planner: nobody else makes a plan or replaces a field of one."""

import ast
from pathlib import Path

import pytest

from herocloud.model import diagnostics, hosts, outcomes, plans, steps, worlds
from herocloud.model.plans import Plan
from herocloud.operations import inputs, stack_plans

PRODUCT = Path(__file__).parents[2] / "herocloud"
MAKERS = ("plan/", "model/")
"""The planner, and the decoder of plans that were stored."""
SHARED = {
    field
    for module in (diagnostics, hosts, inputs, outcomes, stack_plans, plans, steps, worlds)
    for kind in vars(module).values()
    if kind is not Plan
    for field in getattr(kind, "_fields", ())
}
ONLY_OF_PLANS = {*Plan._fields} - SHARED


def find_makers(source: str) -> list[int]:
    """Return the lines that make a plan, or that replace a field of what is called a plan or has a field that only plans have."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and _makes(node)]


def _makes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "Plan"
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr not in {"_make", "_replace"}:
        return call.func.attr == "Plan"
    holder = call.func.value
    name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "")
    return name.lower() == "plan" or any(keyword.arg in ONLY_OF_PLANS for keyword in call.keywords)


def test_nobody_but_the_planner_makes_or_changes_a_plan() -> None:
    found = []
    for path in sorted(PRODUCT.rglob("*.py")):
        name = str(path.relative_to(PRODUCT))
        if not name.startswith(MAKERS):
            found += [f"{name}:{line}" for line in find_makers(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("Plan(id=1)", id="made by its class"),
        pytest.param("plans.Plan(id=1)", id="made by its class in a module"),
        pytest.param("Plan._make(values)", id="made from a row"),
        pytest.param("plan._replace(diagnostics=())", id="a field replaced"),
        pytest.param("planned.plan._replace(complete=True)", id="a field of a plan inside of something replaced"),
        pytest.param("shown._replace(critical_seconds=1)", id="a field that only plans have replaced"),
    ],
)
def test_a_plan_made_elsewhere_would_be_found(source) -> None:
    assert find_makers(source) == [1]
