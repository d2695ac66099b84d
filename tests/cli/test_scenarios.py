r"""Scenarios: each folder of `scenarios/` holds a script of commands, the files they need, and what they print.

A line of `commands.txt` is a herocloud command, or `edit FILE | OLD | NEW` (with `\n` for line feeds), or a comment.
`pytest --snapshot-update` writes the golden transcript beside the script; read its diff before you commit it. syrupy's own single-file
snapshots are not used, because they want the name of the test's module in the path and would take the scripts for snapshots that
nobody needs.
"""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.cli import requests

SCENARIOS = sorted(path.parent for path in Path(__file__).parent.glob("scenarios/*/commands.txt"))

_TIMES = (
    (re.compile(r"\bin \d+\.\d s"), "in <seconds>"),
    (re.compile(r"after \d+\.\d s"), "after <seconds>"),
    (re.compile(r"done in \d+(\.\d)? s"), "done in <seconds>"),
    # What steps took a moment ago decides what the next ones are expected to take.
    (re.compile(r"(?<=About )\d+ s|(?<=~)\d+ s(?= down)|\d+ s(?= of it downtime)"), "<seconds>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "<time>"),
    # The last column of the state log, as wide as what it holds.
    (re.compile(r"OUTCOME +TOOK"), "OUTCOME   TOOK"),
    (re.compile(r" +\d+(\.\d+)? (ms|s)$", re.MULTILINE), "  <seconds>"),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[path.name for path in SCENARIOS])
def test_a_scenario_prints_its_transcript(
    herocloud: Any, scenario: Path, settle: Callable[[str], str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_user", lambda: "ada")
    for path in scenario.iterdir():
        if path.name in ("host.yaml", "scenario.yaml"):
            shutil.copy(path, herocloud.data_folder / path.name)
        elif path.name not in ("commands.txt", "transcript.txt"):
            shutil.copy(path, herocloud.folder / path.name)
    told: list[str] = []
    for line in (scenario / "commands.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            told.append(line)
        elif line.startswith("edit "):
            told.append(f"$ {line}")
            _edit(herocloud.folder, *[piece.strip() for piece in line.removeprefix("edit ").split("|")])
        else:
            told.append(f"$ {line}")
            ran = herocloud(*shlex.split(line.removeprefix("herocloud ")))
            told += [ran.out.rstrip("\n")] if ran.out else []
            told += ["  stderr", *(f"  | {one}".rstrip() for one in ran.err.rstrip("\n").splitlines())] if ran.err else []
            told.append(f"  exit {ran.code}")
    text = settle("\n".join(told) + "\n")
    for pattern, word in _TIMES:
        text = pattern.sub(word, text)
    golden = scenario / "transcript.txt"
    if request.config.getoption("--snapshot-update"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def _edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    old, new = (piece.encode().decode("unicode_escape") for piece in (old, new))
    assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")
