"""Makes `help_page.txt` out of what the parser itself would print: `python -m herocloud.cli.help_pages`."""

from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("help_page.txt")
WIDTH = 80


def render(words: tuple[str, ...] = ()) -> str:
    """Return the help of a group or command as the parser prints it on a terminal of 80 columns."""
    from herocloud.cli import invoking

    command: Any = invoking.grow()
    context = command.make_context("herocloud", [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH)
    for word in words:
        command = command.get_command(context, word)
        context = command.make_context(word, [], parent=context, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH)
    return f"{command.get_help(context)}\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
