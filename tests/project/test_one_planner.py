"""Whatever is executed was made by the planner: nobody else makes a plan or replaces a field of one."""

import ast
from pathlib import Path

import pytest

from herocloud.model.plans import Plan

PRODUCT = Path(__file__).parents[2] / "herocloud"
MAKERS = ("plan/", "model/")
"""The planner, and the decoder of plans that were stored."""
OF_PLANS = {*Plan._fields} - {"id", "stack", "host", "outputs", "drift"}
"""Fields that only plans have; the others are told by what is replaced."""


def find_makers(source: str) -> list[int]:
    """Return the lines that make a plan, or replace a field of something that is called a plan or has fields that only a plan has."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name == "Plan" or (name in {"_make", "_replace"} and _is_plan(node)):
            lines.append(node.lineno)
    return lines


def _is_plan(call: ast.Call) -> bool:
    holder = call.func.value
    last = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "")
    known = {"diagnostics", "changes", "steps", "lineage", "complete", "operation", "purge", "capacity", "facts", "slices_free"} & OF_PLANS
    named = {keyword.arg for keyword in call.keywords}
    return (last.lower() in {"plan", "made", "first", "second"} and bool(named & OF_PLANS)) or last == "Plan" or len(named & known) > 1


MODULES = sorted(path for path in PRODUCT.rglob("*.py") if not str(path.relative_to(PRODUCT)).startswith(MAKERS))


def test_nobody_but_the_planner_makes_or_changes_a_plan() -> None:
    found = [f"{path.relative_to(PRODUCT)}:{line}" for path in MODULES for line in find_makers(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("Plan(id=1)", id="made by its class"),
        pytest.param("plans.Plan(id=1)", id="made by its class in a module"),
        pytest.param("plan._replace(diagnostics=())", id="a field replaced"),
        pytest.param("planned.plan._replace(complete=True)", id="a field of a plan inside of something replaced"),
        pytest.param("Plan._make(values)", id="made from a row"),
    ],
)
def test_a_plan_made_elsewhere_would_be_found(source) -> None:
    assert find_makers(source) == [1]
