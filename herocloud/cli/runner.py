"""Runs one command, with the flags that the host file sets, and turns whatever comes out into an exit code.

Flags that the host file sets, `settings:` in host.yaml, come below the environment and the command line. The host file is asked for every
flag of the command that nobody gave, so it is read at the first question only, and commands without such flags never read it.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from herocloud.cli import command, command_values, command_words, exit_codes, flags, terminal
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

    def __init__(self, line: command_words.Line) -> None:
        """Remember the command line, which may name the data folder."""
        self._line = line

    def get(self, name: str, default: Any = None) -> Any:
        """Return the setting of a flag."""
        value = self._settings.get(name) if name in NAMES else None
        if value is None:
            return default
        return value.replace(",", " ").split() if name in _LISTS else value

    @cached_property
    def _settings(self) -> Mapping[str, str]:
        from herocloud.operations import inputs

        folder = inputs.choose_folder(self._line.value("data_dir"), os.environ, root=os.geteuid() == 0)
        start = self._line.value("chdir") or os.environ.get("HEROCLOUD_CHDIR")
        if start:
            folder = Path(start) / folder
        # Names that are not flags are refused where the host file is read; values are read by the flags themselves.
        return {name.replace("-", "_"): value for name, value in inputs.read_settings(folder).items()}


def run(arguments: Sequence[str]) -> int:
    """Run the command that these words name."""
    line = command_words.take_apart(arguments)
    screen = terminal.open_screen(os.environ, no_color=bool(line.value("no_color")))
    json = bool(line.value("json"))
    try:
        return _call(line, screen)
    except (KeyboardInterrupt, EOFError):
        screen.talk("Interrupted.")
        return exit_codes.INTERRUPTED
    except command.BadValue as error:
        from herocloud.cli import usage_errors

        return usage_errors.tell_bad_value(screen, error, line.words, json=json)
    except errors.HerocloudError as error:
        return exit_codes.tell_refusal(screen, error, json=json)
    except OSError as error:
        return exit_codes.tell_os_error(screen, error, json=json)
    except Exception as error:  # noqa: BLE001  (the last resort: a defect of ours must not show a traceback)
        return exit_codes.tell_crash(screen, error, debug=os.environ.get("HEROCLOUD_LOG") == "debug", json=json)


def _call(line: command_words.Line, screen: terminal.Screen) -> int:
    inherited = Inherited(line)
    try:
        values = command_values.read(line, os.environ, inherited.get)
    except command_values.Unclear:
        from herocloud.cli import usage_errors

        return usage_errors.run_through_typer(screen, line.words, inherited, json=bool(line.value("json")))
    assert line.function is not None  # noqa: S101  (words without a command are unclear)
    return command.call(line.function, values, [token.parameter.name for token in line.tokens if token.parameter is not None])
