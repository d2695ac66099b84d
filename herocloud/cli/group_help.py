"""Help of the whole program and of groups of commands, made of the command table.

Typer prints the help of a command; for a group it would import every command below it first, and importing Typer alone takes as long as
such an answer may take.
"""

from collections.abc import Sequence

from herocloud.cli import command_table

WIDTH = 80
ROOT_HELP = "Plan and apply for virtual machines on hosts you own."
_FOOT = (
    "Every command takes --data-dir, --chdir, -f/--file, --json, --no-color, -q and -v, before it or behind it. "
    "`herocloud COMMAND --help` shows its own flags; docs/cli.md shows everything."
)


def render(words: Sequence[str] = ()) -> str:
    """Return the help of a group, the whole program for no words."""
    group = command_table.find(tuple(words))
    members = group.members if isinstance(group, command_table.Group) else command_table.COMMANDS
    says = group.says if isinstance(group, command_table.Group) else ROOT_HELP
    options = (
        {"-h, --help": "Show this message and exit."}
        if words
        else {"--version": "Print the version.", "-h, --help": "Show this message and exit."}
    )
    lines = [
        f"Usage: {' '.join(['herocloud', *words])} [OPTIONS] COMMAND [ARGS]...",
        "",
        f"  {says}",
        "",
        "Options:",
        *_rows(options),
        "",
        "Commands:",
    ]
    lines += _rows({name: entry.says for name, entry in members.items()})
    return "\n".join(lines if words else [*lines, "", *_wrap(_FOOT, 2)]) + "\n"


def _rows(texts: "dict[str, str]") -> list[str]:
    indent = max(map(len, texts)) + 4
    rows = []
    for name, text in texts.items():
        first, *more = _wrap(text, indent)
        rows += [f"  {name}".ljust(indent) + first.lstrip(), *more]
    return rows


def _wrap(text: str, indent: int) -> list[str]:
    """Break a text into lines; `textwrap` would cost two milliseconds of the sixty that help may take."""
    lines = [" " * indent]
    for word in text.split():
        line = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if len(line) < WIDTH - 1:
            lines[-1] = line
        else:
            lines.append(" " * indent + word)
    return lines
