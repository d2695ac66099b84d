"""What is counted over several tests of one folder."""

import collections

import pytest


@pytest.fixture(scope="session")
def consents() -> collections.Counter[str]:
    """Count over all cases of people who approve and refuse."""
    return collections.Counter()
