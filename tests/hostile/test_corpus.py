"""Every input that a search ever found worth keeping goes through its door again: no internal error, in bounded time."""

import time
from pathlib import Path

import pytest

from tests.hostile import fuzz_targets

pytestmark = pytest.mark.world

CASES = sorted(path for path in fuzz_targets.CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_every_door_has_inputs(name: str) -> None:
    assert any(path.parent.name == name for path in CASES)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_of_the_corpus_is_no_internal_error(path: Path) -> None:
    began = time.process_time()
    fuzz_targets.try_once(path.parent.name, path.read_bytes())
    assert time.process_time() - began < 5
