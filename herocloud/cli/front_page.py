"""What is printed without any command: the help of the whole program and the version."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def print_help(stream: "TextIO | None" = None) -> int:
    """Print the help of the whole program."""
    from herocloud.cli import group_help

    return _print(group_help.render(), stream)


def print_version() -> int:
    """Print the version."""
    import herocloud

    return _print(f"herocloud {herocloud.__version__}\n")


def _print(text: str, stream: "TextIO | None" = None) -> int:
    try:
        print(text, end="", file=stream or sys.stdout, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.write(2, f"error: {error.strerror}\n".encode())
        return 1
    return 0
