"""Pages lead somewhere, and what they show as a command exists."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_DECISION = re.compile(r"^\d{4}-[a-z0-9-]+\.md$")


@pytest.fixture(scope="session")
def pages(files: Sequence[Path]) -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in files if path.suffix == ".md"}


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_inside_the_repository_leads_somewhere(pages: dict[Path, str]) -> None:
    broken = []
    for path, text in pages.items():
        for target in _LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            there = (path.parent / name).resolve() if name else path
            if not there.exists() or (anchor and anchor not in _anchors(there.read_text(encoding="utf-8"))):
                broken.append(f"{path.name}: {target}")
    assert not broken


def test_every_page_of_docs_can_be_reached_from_the_readme(root: Path, pages: dict[Path, str]) -> None:
    seen: set[Path] = set()
    todo = [root / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = (target.partition("#")[0] for target in _LINK.findall(pages[page]) if not re.match(r"[a-z]+:", target))
        todo += [(page.parent / name).resolve() for name in targets if name]
    lost = {str(path.relative_to(root)) for path in pages if (root / "docs") in path.parents} - {
        str(path.relative_to(root)) for path in seen
    }
    assert not lost


def test_every_script_is_named_in_the_documents(root: Path, pages: dict[Path, str]) -> None:
    text = "".join(pages.values())
    assert not [path.name for path in (root / "scripts").iterdir() if f"scripts/{path.name}" not in text]


def test_every_marker_of_the_tests_is_explained(root: Path) -> None:
    import tomllib

    page = (root / "docs" / "testing.md").read_text(encoding="utf-8")
    markers = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]["markers"]
    assert not [marker for marker in markers if f"| `{marker.partition(':')[0]}` |" not in page]


def test_decisions_are_numbered_without_gaps_and_listed(root: Path) -> None:
    folder = root / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    assert all(_DECISION.match(name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    listed = (folder / "README.md").read_text(encoding="utf-8")
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix(f"# {name[:4]}: ")
        assert f"| [{name[:4]}]({name}) | {title} |" in listed
        assert re.search(r"^\d{4}-\d\d-\d\d$", text, re.MULTILINE), f"{name} has no date"
        assert "**Decided.**" in text
        assert "**Why.**" in text
        assert "**What lost.**" in text
