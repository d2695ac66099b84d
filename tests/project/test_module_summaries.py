"""A module has one summary. A later paragraph that opens like one, a title with a colon, is a second module that was glued on."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

_TITLE = re.compile(r"^[A-Z`][^.:`]{2,70}: ")
_SENTENCE = re.compile(
    r"\b(?:is|are|was|were|has|have|do|does|did|may|can|must|would|should|goes|go|comes|come|takes|take|makes|make|knows|leaves|says|means|"
    r"looks|holds|keeps|gets|stays|becomes|shows|returns|uses|works|lives|starts|ends|asks|reads|read|writes|costs|answers|decides|counts|"
    r"accepts|needs|loads|stands|wins|changes|share|remembers|follows|waits|call|plan|"
    # Of two ways the one that was taken, which is how a reason begins: `JSON and not the text form: …`.
    r"and not|instead of|never|on a terminal)\b",
    re.IGNORECASE,
)
"""What a title does not have: a verb, or the alternative that lost."""


def second_summaries(doc: str) -> list[str]:
    """Return the titles that open paragraphs after the first."""
    titles = []
    for paragraph in re.split(r"\n\s*\n", doc.strip())[1:]:
        match = _TITLE.match(paragraph.replace("\n", " "))
        if match and not _SENTENCE.search(match[0]):
            titles.append(match[0])
    return titles


def test_no_module_has_a_second_summary(modules: Sequence[Path], root: Path) -> None:
    found = {}
    for path in modules:
        titles = second_summaries(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        if titles:
            found[str(path.relative_to(root))] = titles
    assert not found


@pytest.mark.parametrize("title", ["Drift: where the world differs.", "Applies and their journal: what was meant, what came of it."])
def test_a_title_in_the_middle_is_found(title: str) -> None:
    assert second_summaries(f"Differences.\n\n{title}")


def test_a_sentence_with_a_colon_is_not_a_title() -> None:
    assert not second_summaries(
        "Locks.\n\nThere are three kinds: of the host, of a stack, of a VM.\n\nWaiting is polling: it can be bounded."
    )
