"""Code, docs and help use the words an American engineer would use: some phrases are signs of a translation, and none of them is left."""

import re
import subprocess
from pathlib import Path

import pytest

PHRASES = {
    "anew": r"(?<![a-z])anew(?![a-z])",
    "shall": r"\bshall\b",
    "whoever": r"\b[Ww]hoever\b",
    "is told": r"\b(?:is|are|was|were|be) told\b(?! apart)",
    "is no X": (
        r"(?<![Tt]here\s)(?<![Tt]here\n\s\s)(?<![Tt]here\n   )(?<![Ww]here\s)\b(?:is|are|was|were) no "
        r"(?!longer|more\b|reason|question|concern|use\b|room|place|such|help|less|other|sid|way out)[A-Za-z]+"
    ),
    "let … not say": r"\b[Ll]et [a-z ]{1,30} not say\b",
    "something else than": r"\bsomething else than\b",
    "only `yes` is a yes": r"is a yes\b",
    "longest Markdown": r"\bLongest Markdown\b",
}
"""Phrases of house style that read as translated; the pattern allows idioms (`there is no`, `is no longer`, `is no reason`)."""

ENDINGS = {".py", ".md", ".j2", ".yaml", ".sh", ""}
PLACES = ("herocloud", "docs", "README.md", "CHANGELOG.md", "stacks", "scripts", "bench", "report_templates", "openrpc.json")


def hits(root: Path) -> list[str]:
    """Return `phrase: file:line: text` for everything that is left."""
    listed = subprocess.run(["git", "ls-files", *PLACES], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    found = []
    for name in listed:
        path = root / name
        # What goes into an image is left as it is: a comment more would change the checksum of images that are built again.
        if (path.suffix not in ENDINGS and name != "openrpc.json") or not path.is_file() or "builds/guest/" in name:
            continue
        text = path.read_text(encoding="utf-8")
        for phrase, pattern in PHRASES.items():
            for match in re.finditer(pattern, text):
                number = text.count("\n", 0, match.start()) + 1
                found.append(f"{phrase}: {name}:{number}: {text.splitlines()[number - 1].strip()}")
    return found


@pytest.mark.world
def test_no_phrase_of_a_translation_is_left(repository: Path) -> None:
    assert hits(repository) == []


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It is made anew.", "anew"),
        ("`web` is no hypervisor", "is no X"),
        ("The guest is told its name", "is told"),
        ("whoever asks", "whoever"),
        ("found something else than this step made", "something else than"),
    ],
)
def test_the_patterns_find_what_they_are_for(text: str, phrase: str) -> None:
    assert re.search(PHRASES[phrase], text)


@pytest.mark.parametrize("text", ["There is no log.", "It is no longer there.", "That is no reason.", "They are told apart by name."])
def test_idioms_are_left_alone(text: str) -> None:
    assert not [phrase for phrase, pattern in PHRASES.items() if re.search(pattern, text)]
