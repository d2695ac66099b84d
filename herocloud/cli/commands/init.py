"""`init`."""

from pathlib import Path
from typing import Annotated

import typer

from herocloud.cli import ending, showing
from herocloud.cli.invoking import Call
from herocloud.operations import starting


def init(
    call: Call, folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write; made when it is not there.")] = Path()
) -> int:
    """Write a commented starter stack and a .gitignore."""
    started = starting.start(folder)
    written = [path for path in (started.stack, started.ignore) if path is not None]
    showing.show(
        call,
        lambda: {"format_version": "1.0", "written": [str(path) for path in written]},
        lambda: "\n".join(f"Wrote {path}." for path in written),
    )
    where = "" if folder == Path() else f" --chdir {folder}"
    call.note(f"\nLook at what it would make: herocloud{where} plan")
    return ending.DONE
