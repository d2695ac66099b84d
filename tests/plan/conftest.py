from types import ModuleType

import pytest

from tests.plan import building, inventing, pretending


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
