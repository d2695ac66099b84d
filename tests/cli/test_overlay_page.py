"""Every example of the page about the overlay is planned as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs/mycelium.md").read_text()
STACKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = [one for one in re.findall(r"`(mycelium: \{[^`…]*\})`", PAGE) if "/" not in one]
"""Blocks in the text; those with a file or with dots in them are about a host of the reader."""


@pytest.fixture
def around(herocloud: Any) -> Any:
    """Return a folder with the files that the examples name."""
    for name in sorted({name for stack in STACKS for name in re.findall(r"\./([\w.-]+)", stack)}):
        (herocloud.folder / name).touch()
    return herocloud


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.splitlines()[0])
def test_a_stack_of_the_page_is_planned_as_it_stands(around: Any, stack: str) -> None:
    around.write(stack)
    planned = around("plan")
    assert planned.code == 0, planned.both
    assert "+ vm." in planned.out


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_in_the_text_is_planned_in_the_first_stack(around: Any, block: str) -> None:
    first = re.sub(r"^mycelium:\n(  .*\n)+", f"{block}\n", STACKS[0], flags=re.MULTILINE)
    assert block in first
    around.write(first)
    planned = around("plan")
    assert planned.code == 0, planned.both


def test_the_page_has_examples() -> None:
    assert STACKS
    assert BLOCKS
