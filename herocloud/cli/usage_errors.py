"""The long way from words to a command, through Typer, and what is said when the words are wrong."""

from collections.abc import Sequence
from typing import Any

import typer

from herocloud.cli import command, exit_codes, typer_tree
from herocloud.cli.terminal import Screen
from herocloud.kits import nearest


def run_through_typer(screen: Screen, words: Sequence[str], defaults: Any, *, json: bool) -> int:
    """Have Typer read the words and call the command; `defaults` gives the flags that the host file sets."""
    try:
        root = typer_tree.grow(defaults=defaults)
        code = root.main(args=list(words), prog_name="herocloud", standalone_mode=False)
        screen.flush()
        return code if isinstance(code, int) else exit_codes.DONE
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        return _tell_usage(screen, error, json=json)


def tell_bad_value(screen: Screen, error: command.BadValue, words: Sequence[str], *, json: bool) -> int:
    """Say what a command found wrong with the words that it was called with."""
    return _tell_usage(screen, typer.BadParameter(str(error), ctx=typer_tree.context_of(words), param_hint=error.flag), json=json)


def _tell_usage(screen: Screen, error: Any, *, json: bool) -> int:
    """Say what was wrong with the words, where the value came from, and where help is."""
    context = getattr(error, "ctx", None)
    if context is not None and type(error).__name__ == "NoArgsIsHelpError":
        screen.talk(context.get_help())
        return exit_codes.USAGE
    message = _message(error)
    origin, code = _origin(error, context)
    lines = [f"error: {message}{origin}"]
    if context is not None:
        lines += [f"  {context.get_usage().strip()}", f"  `{context.command_path} --help` shows its flags."]
    screen.talk("\n".join(lines))
    if json:
        exit_codes.tell_as_json(screen, "usage", "The command line is wrong", f"{message}{origin}")
    return code


def _message(error: Any) -> str:
    """Write what is wrong, with the flag that was probably meant."""
    if not getattr(error, "option_name", None) or not hasattr(error, "possibilities"):
        return str(error.format_message() if hasattr(error, "format_message") else error)
    known = [name for parameter in error.ctx.command.params for name in (*parameter.opts, *parameter.secondary_opts)] if error.ctx else []
    close = nearest.nearest(error.option_name, [name for name in known if name.startswith("--")])
    return f"There is no flag `{error.option_name}`.{f' Did you mean `{close}`?' if close else ''}"


def _origin(error: Any, context: Any) -> tuple[str, int]:
    """Tell where a bad value came from when it was not typed; one in the host file is not an error of usage."""
    parameter = getattr(error, "param", None)
    if context is None or parameter is None or parameter.name is None:
        return "", exit_codes.USAGE
    source = context.get_parameter_source(parameter.name)
    kind = source.name if source is not None else ""
    if kind == "ENVIRONMENT":
        return f" (from the environment variable {parameter.envvar})", exit_codes.USAGE
    if kind == "DEFAULT_MAP":
        return " (from `settings` in host.yaml)", exit_codes.ERROR
    return "", exit_codes.USAGE
