"""Runs one command through Typer and turns whatever comes out into an exit code."""

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

import typer

from herocloud.cli import ending, growing, settings, spelling, terminal
from herocloud.kits import names
from herocloud.model import errors


def run(arguments: Sequence[str]) -> int:
    """Run the command that these words name."""
    words = spelling.normalise(arguments)
    own = words[: words.index("--")] if "--" in words else words
    screen = terminal.open_screen(os.environ, no_color="--no-color" in own)
    json = "--json" in own
    _treat_sigterm_as_interrupt()
    try:
        root = growing.grow(defaults=settings.Inherited(words))
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
