"""The command that starts `jail` on its own, with what it was compiled to: to compile it took a third of its start, for every VM."""

import sys
from pathlib import Path

JAIL = Path(__file__).with_name("jail.py")
DOOR = Path(__file__).with_name("view_door.py")
PAIR = Path(__file__).with_name("jail_pair.py")
LOADER = 'import sys, _frozen_importlib_external as files; exec(files.SourceFileLoader("__main__", sys.argv.pop(1)).get_code("__main__"))'
"""What an interpreter does that has only its own modules: it takes the compiled file beside the package where that is as new as the source,
and else compiles the source and keeps that where it may. Only who can write the package can write either."""


def words(*arguments: str, program: Path = JAIL) -> list[str]:
    """Return the words of a command line."""
    return [sys.executable, "-I", "-S", "-c", LOADER, str(program), *arguments]
