"""Makes `help_page.txt` out of what the parser itself would print: `python -m herocloud.cli.help_pages`."""

from pathlib import Path

PAGE = Path(__file__).with_name("help_page.txt")
WIDTH = 80


def render(words: tuple[str, ...] = ()) -> str:
    """Return the help of a group or command as the parser prints it on a terminal of 80 columns."""
    from herocloud.cli import invoking

    return f"{invoking.context_of(words, terminal_width=WIDTH, max_content_width=WIDTH).get_help()}\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
