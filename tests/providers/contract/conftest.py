"""Every provider that is registered, and the one that is written to show how little it takes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers import registry

FIRST = "dictionary"


def first_line() -> list[str]:
    """Return its line; nothing where somebody who follows the page has registered it already."""
    return [] if any(line.rpartition(".")[2] == FIRST for line in registry.PROVIDERS) else [FIRST]


@pytest.fixture(scope="module", autouse=True)
def first_provider() -> Iterator[None]:
    """Register the provider of forty lines by its one line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent / "first_provider"))
        patch.setattr(registry, "PROVIDERS", [*registry.PROVIDERS, *first_line()])
        yield
        sys.modules.pop(FIRST, None)
