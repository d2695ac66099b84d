"""`completion`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from herocloud.cli import completing, ending, flags, showing
from herocloud.cli.invoking import Call


def completion(
    call: Call,
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish"] | None, typer.Argument(metavar="[bash|zsh|fish]", help="By default the one that SHELL names.")
    ] = None,
    install: Annotated[
        bool, flags.option("--install", variable="", help="Put it where the shell finds it, instead of printing it.")
    ] = False,
) -> int:
    """Print or install tab completion for a shell."""
    name = shell or completing.guess_shell()
    if name is None:
        raise typer.BadParameter(f"name one of {', '.join(completing.SHELLS)}: SHELL does not tell", param_hint="SHELL")
    if install:
        place = completing.install(name, Path.home())
        showing.show(
            call,
            lambda: {"format_version": "1.0", "shell": name, "file": str(place)},
            lambda: f"Installed in {place}; a new {name} has it.",
        )
        return ending.DONE
    showing.show(call, lambda: {"format_version": "1.0", "shell": name, "script": completing.script(name)}, lambda: completing.script(name))
    return ending.DONE
