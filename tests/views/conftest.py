"""The plans to look at, for every test of a view."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.views import plans as example_plans


@pytest.fixture(scope="session")
def plans() -> ModuleType:
    """Return the module with the example plans."""
    return example_plans


@pytest.fixture(scope="session")
def schemas() -> dict[str, Any]:
    """Return the published schemas by name, as they are in docs/schemas."""
    folder = Path(__file__).resolve().parents[2] / "docs" / "schemas"
    return {name: json.loads((folder / f"{name}.schema.json").read_text(encoding="utf-8")) for name in ("plan", "events", "diagnostics")}


@pytest.fixture(scope="session")
def check(schemas: dict[str, Any]) -> Callable[[str, Any], None]:
    """Return a function that holds a document against a published schema, and the schema against the document.

    Published schemas allow more fields, because a minor version may add some. Here every object is closed, so that a field which
    is written and not documented fails.
    """
    import jsonschema

    closed = {name: jsonschema.Draft202012Validator(_close(schema)) for name, schema in schemas.items()}

    def validate(name: str, document: Any) -> None:
        jsonschema.Draft202012Validator.check_schema(schemas[name])
        closed[name].validate(document)

    return validate


def _close(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_close(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _close(inner) for key, inner in schema.items()}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found
