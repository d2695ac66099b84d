"""Tab completion: answers the shell's questions, and the scripts that make a shell ask."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from herocloud.kits import terminal_text

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_HEROCLOUD_COMPLETE"


_SCRIPTS = {
    "bash": """\
_herocloud_completion() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _HEROCLOUD_COMPLETE=complete_bash herocloud))
}
complete -o default -F _herocloud_completion herocloud""",
    "zsh": """\
#compdef herocloud
_herocloud_completion() {
    local -a found
    found=("${(@f)$(COMP_WORDS="${(pj:\\n:)words}" COMP_CWORD=$((CURRENT - 1)) _HEROCLOUD_COMPLETE=complete_zsh herocloud)}")
    if [[ -n "${found[1]}" ]]; then _describe herocloud found; else _files; fi
}
compdef _herocloud_completion herocloud""",
    "fish": """\
complete --command herocloud --arguments '(COMP_WORDS=(string join " " (commandline -opc) (commandline -ct)) \\
COMP_CWORD=(count (commandline -opc)) _HEROCLOUD_COMPLETE=complete_fish herocloud)'""",
}


def answer() -> int:
    """Answer a shell that asks through the environment; anything that goes wrong is not a completion and never a traceback."""
    try:
        shell = os.environ[VARIABLE].removeprefix("complete_")
        if shell not in SHELLS:
            return 1
        text = os.environ["COMP_WORDS"]
        words = text.split("\n") if "\n" in text else text.split(" ")
        place = int(os.environ["COMP_CWORD"])
        found = offer(words[1:place], words[place] if place < len(words) else "")
    except Exception:  # noqa: BLE001  (a shell must not be shown a defect between two keystrokes)
        return 1
    between = {"bash": "", "zsh": ":", "fish": "\t"}[shell]
    # A terminal shows what a shell completes with.
    shown = {terminal_text.visible(name): terminal_text.visible(help) for name, help in found.items()}  # noqa: A001
    print("\n".join(f"{name}{between}{help}" if between else name for name, help in shown.items()))  # noqa: A001, T201
    return 0


def offer(before: Sequence[str], begun: str) -> dict[str, str]:
    """Return the words that may stand here, each with its help."""
    from herocloud.cli import command, command_table, command_words, flags

    line = command_words.take_apart(before)
    if line.function is None:
        entry = command_table.find(line.path)
        members = entry.members if isinstance(entry, command_table.Group) else command_table.COMMANDS
        return {name: member.says for name, member in members.items() if name.startswith(begun)}
    parameters = command.parameters(line.function)
    last = line.tokens[-1] if line.tokens else None
    if (
        last is not None
        and last.parameter is not None
        and last.parameter.kind is not bool
        and len(last.words) == 1
        and "=" not in last.words[0]
    ):
        return _choices(last.parameter.kind, begun)
    if not begun.startswith("-"):
        places = [parameter for parameter in parameters if isinstance(parameter.mark, flags.Argument)]
        return _choices(places[0].kind, begun) if places else {}
    names = {
        name: parameter.mark.help
        for parameter in parameters
        if isinstance(parameter.mark, flags.Flag)
        for spelled in parameter.mark.names
        for name in spelled.split("/")
    }
    return {name: text for name, text in {**names, "--help": "Show this message and exit."}.items() if name.startswith(begun)}


def _choices(kind: Any, begun: str) -> dict[str, str]:
    """Return the values of a flag or an argument that takes one of several words."""
    kinds = [kind, *get_args(kind)]
    return {word: "" for kind in kinds if get_origin(kind) is Literal for word in get_args(kind) if word.startswith(begun)}


def script(shell: str) -> str:
    """Return the script that teaches a shell to ask."""
    return _SCRIPTS[shell]


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
