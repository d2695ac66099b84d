"""`init`: a stack file to start from, which plans and applies as it stands."""

import re
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import files
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.stack import starting

STACK = "stack.yaml"
IGNORE = ".gitignore"


class Started(NamedTuple):
    """What was written."""

    stack: Path
    ignore: Path | None
    """Nothing when the file said all of it already."""


def start(folder: Path) -> Started:
    """Write the starter; a stack file that is there already is never touched."""
    target = folder / STACK
    if target.exists():
        detail = f"`{target}` exists, and nothing was written."
        raise Refused(
            [Diagnostic("already-started", "There is a stack file already", detail, hint="give another folder: `herocloud init DIR`")]
        )
    folder.mkdir(parents=True, exist_ok=True)
    texts = starting.starter_stack(_name_for(folder))
    files.write_durably(target, texts[STACK].encode(), mode=0o644)
    return Started(target, _ignore(folder / IGNORE, texts[IGNORE]))


def _name_for(folder: Path) -> str:
    """Make a stack's name out of a folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].rstrip("-")
    return name if ids.NAME.match(name) else "first"


def _ignore(path: Path, text: str) -> Path | None:
    """Add to what git ignores already; a file that says it all stays as it is."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [line for line in text.splitlines() if line not in before.splitlines()]
    if not any(line and not line.startswith("#") for line in missing):
        return None
    gap = "" if not before or before.endswith("\n") else "\n"
    path.write_text(before + gap + "".join(f"{line}\n" for line in missing), encoding="utf-8")
    return path
