"""The glossary knows every word of the vocabulary."""

from enum import Enum
from pathlib import Path

import pytest

from herocloud.model import ids, plans, steps, words
from herocloud.providers import seam

ENUMS = [words.Action, words.Reason, words.Approval, words.Severity, words.Status, seam.Found]


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_word_of_an_enum_is_explained(enum: type[Enum], page: str) -> None:
    missing = [member.value for member in enum if f"`{member.value}`" not in page]
    assert not missing


def test_every_word_for_an_impact_is_explained(page: str) -> None:
    assert not [word for word in words.IMPACT_WORDS.values() if f"| `{word}` |" not in page]


def test_every_action_stands_beside_its_sign(page: str) -> None:
    for action, glyph in words.GLYPHS.items():
        sign = f"`{glyph}`" if glyph.strip() else ""
        assert f"| `{action.value}` | {sign} |".replace("|  |", "| |") in page


def test_every_kind_of_step_and_lane_is_explained(page: str) -> None:
    assert not [kind for kind in [*steps.KINDS, *steps.LANES] if f"`{kind}`" not in page]


def test_every_kind_of_resource_is_explained(page: str) -> None:
    assert not [kind for kind in ids.KINDS if f"`{kind}`" not in page]


def test_the_capacity_proof_counts_what_the_page_says(page: str) -> None:
    said = page[page.index("| capacity proof |") :].splitlines()[0]
    words = {"vcpus": "vCPUs", "disk_io": "disk I/O", "hugepages": "huge pages"}
    assert not [name for name in plans.Capacity._fields if words.get(name, name) not in said]
