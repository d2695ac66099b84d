"""Tab completion: answers the shell's questions, and the scripts that make a shell ask."""

import os
from pathlib import Path

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HEROCLOUD_COMPLETE"


def answer() -> int:
    """Answer a shell that asks through the environment; anything that goes wrong is no completion and never a traceback."""
    from typer import _completion_classes, completion

    from herocloud.cli import invoking

    _completion_classes.completion_init()
    instruction = os.environ[VARIABLE]
    try:
        return int(completion.shell_complete(invoking.grow(), {}, "herocloud", VARIABLE, instruction))
    except (SystemExit, Exception) as error:  # noqa: BLE001  (a shell must not be shown a defect between two keystrokes)
        return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1


def script(shell: str) -> str:
    """Return the script that teaches a shell to ask."""
    from typer import _completion_shared

    return _completion_shared.get_completion_script(prog_name="herocloud", complete_var=VARIABLE, shell=shell)


def install(shell: str, home: Path) -> Path:
    """Put the script where the shell looks for it, and return the place. Files of the user are added to once and never rewritten."""
    text = script(shell) + "\n"
    if shell == "fish":
        return _write(home / ".config" / "fish" / "completions" / "herocloud.fish", text)
    if shell == "zsh":
        place = _write(home / ".zfunc" / "_herocloud", text)
        _add_line(home / ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
        return place
    place = _write(home / ".local" / "share" / "bash-completion" / "completions" / "herocloud", text)
    # bash-completion loads the file by its name; without that package this line does.
    _add_line(home / ".bashrc", f"[ -r '{place}' ] && . '{place}'")
    return place


def guess_shell() -> str | None:
    """Return the shell of this user, by its own word."""
    name = Path(os.environ.get("SHELL", "")).name
    return name if name in SHELLS else None


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _add_line(path: Path, line: str) -> None:
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    if line in before.splitlines():
        return
    with path.open("a", encoding="utf-8", errors="surrogateescape") as file:
        file.write(f"{'' if not before or before.endswith(chr(10)) else chr(10)}{line}\n")
