"""Commands that only look leave every byte of the data folder as it was."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  web: {image: tiny}
"""
LOOKS = [
    ["plan"],
    ["plan", "--json"],
    ["drift"],
    ["show"],
    ["state", "list"],
    ["state", "log"],
    ["state", "lock"],
    ["export"],
    ["slice", "list"],
    ["host", "show"],
]


def _sums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_changes_no_byte(herocloud: Any, data_folder: Path, look: list[str]) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    before = _sums(data_folder)
    assert "state.db" in before
    for _ in range(2):
        herocloud.done(*look)
        assert _sums(data_folder) == before


def test_a_plan_on_a_folder_without_a_state_makes_none(herocloud: Any, data_folder: Path) -> None:
    herocloud.write(STACK)
    before = _sums(data_folder)
    herocloud.done("plan")
    herocloud.done("slice", "list")
    assert _sums(data_folder) == before
