"""`version`."""

from herocloud.cli import ending, showing
from herocloud.cli.invoking import Call


def version(call: Call) -> int:
    """Print the version."""
    import platform
    import sqlite3

    import herocloud

    showing.show(
        call,
        lambda: {
            "format_version": "1.0",
            "version": herocloud.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        lambda: f"herocloud {herocloud.__version__}",
    )
    return ending.DONE
