"""Every provider that is registered, and the one that is written to show how little it takes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers import registry
from tests.providers.contract import first_line


@pytest.fixture(scope="module", autouse=True)
def first_provider() -> Iterator[None]:
    """Register the provider of forty lines by its one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "first_provider"))
        patch.setattr(registry, "PROVIDERS", first_line.PATHS)
        yield
        sys.modules.pop(first_line.FIRST, None)
