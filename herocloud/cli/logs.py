"""Where the library's log goes: nowhere, unless somebody asks with HEROCLOUD_LOG or `-v`.

Without any handler Python would print warnings, tracebacks included, between the lines of a progress display.
"""

from collections.abc import Mapping

LEVELS = ("debug", "info", "warning", "error")


def set_up(environment: Mapping[str, str], verbose: int) -> None:
    """Send the log to stderr at the level that was asked for, or nowhere."""
    import logging

    level = environment.get("HEROCLOUD_LOG", "").lower()
    if level not in LEVELS:
        level = "debug" if verbose > 1 else "info" if verbose else ""
    ours = logging.getLogger("herocloud")
    ours.handlers.clear()
    if not level:
        ours.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(level.upper())
