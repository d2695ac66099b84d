"""Paragraphs of the documents wrap at 100 columns; tables, code and headings are as wide as they have to be."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

WIDTH = 100


def long_lines(text: str) -> Iterator[str]:
    """Yield lines of prose that are too long and could be shorter."""
    fenced = False
    for line in text.splitlines():
        if re.match(r"\s*```", line):
            fenced = not fenced
        elif not fenced and len(line) > WIDTH and not re.match(r"\s*\||#|<|\[[^\]]+\]:|    ", line) and len(_unbroken(line)) > 1:
            yield line


def _unbroken(line: str) -> list[str]:
    """Split a line where it may break: code and links stay whole."""
    text = re.sub(r"^\s*([-*+>]|\d+[.)])\s+", "", line)
    return re.findall(r"(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|[^\s`\[]|\[)+", text)


def test_paragraphs_wrap(files: Sequence[Path], root: Path) -> None:
    pages = [path for path in files if path.suffix == ".md"]
    assert len(pages) > 20
    found = [f"{path.relative_to(root)}: {line[:60]}" for path in pages for line in long_lines(path.read_text(encoding="utf-8"))]
    assert not found


def test_a_long_paragraph_is_found_and_a_table_is_not() -> None:
    words = "word " * 30
    assert list(long_lines(words)) == [words]
    assert not list(long_lines(f"| {words} |\n```\n{words}\n```\n# {words}\n`{words}`"))
