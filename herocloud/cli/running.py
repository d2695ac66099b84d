"""Runs one command through Typer, with the flags that the host file sets, and turns whatever comes out into an exit code.

Flags that the host file sets: `settings:` in host.yaml, below the environment and the command line. The parser has a place for exactly
this, a map of defaults that it asks after the environment. It is asked for every flag of the command that nobody gave, so the host file
is read at the first question only, and commands without such flags never read it.

Runs one command through Typer and turns whatever comes out into an exit code.
"""

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer

from herocloud.cli import ending, flags, invoking, spelling, terminal
from herocloud.kits import names
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
        root = invoking.grow(defaults=Inherited(words))
        code = root.main(args=words, prog_name="herocloud", standalone_mode=False)
        screen.flush()
        return code if isinstance(code, int) else ending.DONE
    except typer.Exit as done:
        return done.exit_code
    except (KeyboardInterrupt, typer.Abort, EOFError):
        screen.talk("Interrupted.")
        return ending.INTERRUPTED
    except errors.HerocloudError as error:
        return ending.tell_refusal(screen, error, json=json)
    except typer.TyperException as error:
        return _tell_usage(screen, error)
    except OSError as error:
        return ending.tell_os_error(screen, error)
    except Exception as error:  # noqa: BLE001  (the last resort: a defect of ours must not show a traceback)
        return ending.tell_crash(screen, error, debug=os.environ.get("HEROCLOUD_LOG") == "debug")


def _treat_sigterm_as_interrupt() -> None:
    """End on SIGTERM as on ^C, with the same exit code; an apply puts its own handlers in front of both."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def _tell_usage(screen: terminal.Screen, error: Any) -> int:
    """Say what was wrong with the words, where the value came from, and where help is."""
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        screen.talk(context.get_help())
        return ending.USAGE
    message = _message(error)
    origin, code = _origin(error, context)
    lines = [f"error: {message}{origin}"]
    if context is not None:
        lines += [f"  {context.get_usage().strip()}", f"  `{context.command_path} --help` tells its flags."]
    screen.talk("\n".join(lines))
    return code


def _message(error: Any) -> str:
    """Write what is wrong, with the flag that was probably meant."""
    if not getattr(error, "option_name", None) or not hasattr(error, "possibilities"):
        return str(error.format_message() if hasattr(error, "format_message") else error)
    known = [name for parameter in error.ctx.command.params for name in (*parameter.opts, *parameter.secondary_opts)] if error.ctx else []
    close = names.nearest(error.option_name, [name for name in known if name.startswith("--")])
    return f"There is no flag `{error.option_name}`.{f' Did you mean `{close}`?' if close else ''}"


def _origin(error: Any, context: Any) -> tuple[str, int]:
    """Tell where a bad value came from when it was not typed; one in the host file is no error of usage."""
    parameter = getattr(error, "param", None)
    if context is None or parameter is None or parameter.name is None:
        return "", ending.USAGE
    source = context.get_parameter_source(parameter.name)
    kind = source.name if source is not None else ""
    if kind == "ENVIRONMENT":
        return f" (from the environment variable {parameter.envvar})", ending.USAGE
    if kind == "DEFAULT_MAP":
        return " (from `settings` in host.yaml)", ending.ERROR
    return "", ending.USAGE
