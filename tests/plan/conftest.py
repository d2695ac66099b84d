import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"herocloud_plan_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


building = _load("building")
pretending = _load("pretending")
inventing = _load("inventing")


@pytest.fixture(name="build", scope="session")
def _build() -> ModuleType:
    """Makers of desired stacks and hosts."""
    return building


@pytest.fixture(name="pretend", scope="session")
def _pretend() -> ModuleType:
    """A world in memory that runs plans and refuses what does not follow."""
    return pretending


@pytest.fixture(name="invent", scope="session")
def _invent() -> ModuleType:
    """Hypothesis strategies for stacks."""
    return inventing
