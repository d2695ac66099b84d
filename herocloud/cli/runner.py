"""Runs one command, with the flags that the host file sets, and turns whatever comes out into an exit code.

Plain words are read by `parsing`; Typer is asked where it says so.

Flags that the host file sets: `settings:` in host.yaml, below the environment and the command line. Typer has a place for exactly
this, a map of defaults that it asks after the environment. It is asked for every flag of the command that nobody gave, so the host file
is read at the first question only, and commands without such flags never read it.
"""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from herocloud.cli import calling, exit_codes, flags, parsing, spelling, terminal
from herocloud.model import errors

NAMES = frozenset(
    {
        *flags.Planning._fields,
        *flags.Approving._fields,
        *flags.Executing._fields,
        *flags.Exports._fields,
        "detailed_exitcode",
        "rehearse",
        "quiet",
        "no_color",
    }
)
"""Every flag of automation, as a parameter."""

_LISTS = frozenset({"target", "exclude", "replace", "approve"})


class Inherited:
    """The map of defaults of one command."""

    def __init__(self, words: Sequence[str]) -> None:
        """Remember the words of the command line, which may name the data folder."""
        self._words = words

    def get(self, name: str, default: Any = None) -> Any:
        """Return the setting of a flag."""
        value = self._settings.get(name) if name in NAMES else None
        if value is None:
            return default
        return value.replace(",", " ").split() if name in _LISTS else value

    @cached_property
    def _settings(self) -> Mapping[str, str]:
        from herocloud.operations import inputs

        folder = inputs.choose_folder(_value_of("--data-dir", self._words), os.environ, root=os.geteuid() == 0)
        start = _value_of("--chdir", self._words) or os.environ.get("HEROCLOUD_CHDIR")
        if start:
            folder = Path(start) / folder
        # Names that are no flag are refused where the host file is read; values are read by the flags themselves.
        return {name.replace("-", "_"): value for name, value in inputs.read_settings(folder).items()}


def _value_of(flag: str, words: Sequence[str]) -> str | None:
    """Return what was given for a long flag, the last one when there are several."""
    value = None
    for place, word in enumerate(words):
        if word == "--":
            break
        if word.startswith(f"{flag}="):
            value = word.partition("=")[2]
        elif word == flag and place + 1 < len(words):
            value = words[place + 1]
    return value


def run(arguments: Sequence[str]) -> int:
    """Run the command that these words name."""
    words = spelling.normalise(arguments)
    own = words[: words.index("--")] if "--" in words else words
    screen = terminal.open_screen(os.environ, no_color="--no-color" in own)
    json = "--json" in own
    _treat_sigterm_as_interrupt()
    try:
        return _call(words, screen)
    except (KeyboardInterrupt, EOFError):
        screen.talk("Interrupted.")
        return exit_codes.INTERRUPTED
    except calling.BadValue as error:
        from herocloud.cli import complaining

        return complaining.tell_bad_value(screen, error, words)
    except errors.HerocloudError as error:
        return exit_codes.tell_refusal(screen, error, json=json)
    except OSError as error:
        return exit_codes.tell_os_error(screen, error)
    except Exception as error:  # noqa: BLE001  (the last resort: a defect of ours must not show a traceback)
        return exit_codes.tell_crash(screen, error, debug=os.environ.get("HEROCLOUD_LOG") == "debug")


def _call(words: Sequence[str], screen: terminal.Screen) -> int:
    inherited = Inherited(words)
    try:
        plain = parsing.read(words, os.environ, inherited.get)
    except parsing.Unclear:
        from herocloud.cli import complaining

        return complaining.run_through_typer(screen, words, inherited)
    return calling.call(plain.function, plain.values)


def _treat_sigterm_as_interrupt() -> None:
    """End on SIGTERM as on ^C, with the same exit code; an apply puts its own handlers in front of both."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
