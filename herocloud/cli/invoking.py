"""Makes a Typer command out of a plain function whose parameters are groups of flags.

`def plan(call: Call, planning: flags.Planning, out: …) -> int` says what the command needs; its options are the fields of the groups.
Typer reads a signature, so the groups are spread into one that it can read, and gathered again before the function is called. Writing
some forty parameters into each of the planning commands would be the alternative.
"""

import inspect
import os
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import typer

from herocloud.cli import catalogue, flags, terminal
from herocloud.cli.terminal import Screen

DEFAULT_STACK = "stack.yaml"


class Call(NamedTuple):
    """What every command gets: where it works, and how it shall answer."""

    screen: Screen
    folder: Path
    """The data folder."""
    files: tuple[str, ...]
    """The stack files that were named, else the default one."""
    files_named: bool
    """Whether somebody named them; a default that is absent is no error where no stack is needed."""
    json: bool
    quiet: bool
    verbose: int
    environment: Mapping[str, str]

    def note(self, text: str) -> None:
        """Say something on stderr that nobody needs."""
        if not self.quiet:
            self.screen.talk(text)


def make_command(words: tuple[str, ...], leaf: catalogue.Leaf, defaults: Any = None) -> Any:
    """Import the module of a command and return what Typer makes of its function."""
    import importlib

    module = importlib.import_module(f"herocloud.cli.commands.{leaf.module}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    settings = {"help_option_names": ["--help", "-h"], "default_map": defaults}
    app.command(words[-1], help=_help(module, leaf.function), context_settings=settings)(spread(getattr(module, leaf.function)))
    return typer.main.get_command(app)


def spread(function: Callable[..., int]) -> Callable[..., int]:
    """Return a function with one parameter per flag, which gathers the groups and calls `function`."""
    hints = typing.get_type_hints(function, include_extras=True)
    plain = {name: parameter for name, parameter in inspect.signature(function).parameters.items() if name != "call"}
    groups = {name: hints[name] for name in plain if hasattr(hints[name], "_fields")}
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in plain.items():
        if name not in groups:
            parameters[name] = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
    for group in (*groups.values(), flags.Everywhere):
        for name, annotation in typing.get_type_hints(group, include_extras=True).items():
            parameters[name] = inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=group._field_defaults[name]
            )

    def gathered(**values: Any) -> int:
        everywhere = gather(flags.Everywhere, values)
        given = {name: values[name] for name in plain if name not in groups}
        given |= {name: gather(group, values) for name, group in groups.items()}
        call = answer_call(everywhere, os.environ)
        code = function(call, **given)
        call.screen.flush()
        return code

    gathered.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    gathered.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return gathered


def gather(group: Any, values: Mapping[str, Any]) -> Any:
    """Put the fields of a group together."""
    return group(*[values[name] for name in group._fields])


def answer_call(everywhere: flags.Everywhere, environment: Mapping[str, str]) -> Call:
    """Turn the global flags into what commands work with; follows `--chdir` first, because other paths are meant from there."""
    if everywhere.chdir is not None:
        os.chdir(everywhere.chdir)
    from herocloud.operations import folders

    files = tuple(str(path) for path in everywhere.file or ())
    return Call(
        screen=terminal.open_screen(environment, no_color=everywhere.no_color),
        folder=folders.choose_folder(everywhere.data_dir, environment, root=os.geteuid() == 0),
        files=files or (DEFAULT_STACK,),
        files_named=bool(files),
        json=everywhere.json,
        quiet=everywhere.quiet,
        verbose=everywhere.verbose,
        environment=environment,
    )


def _help(module: Any, function: str) -> str:
    return inspect.cleandoc(getattr(module, function).__doc__ or "")
