"""What a command is called with: the parameters it declares, and the call that every command gets.

`def plan(call: Call, planning: flags.Planning, out: …) -> int` says what a command needs; its flags are the fields of the groups and its
own parameters. Writing some forty of them into each of the planning commands would be the alternative.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herocloud.cli import command_table, flags, terminal
from herocloud.cli.terminal import Screen
from herocloud.kits.named_tuples import NamedTuple

if TYPE_CHECKING:
    from herocloud.stack.sources import Source, Unusable
    from herocloud.views.events import Stream

DEFAULT_STACK = "stack.yaml"
REQUIRED: Any = object()
"""The default of a parameter that has none."""


class BadValue(Exception):
    """A value on the command line that only the command itself could judge."""

    def __init__(self, message: str, flag: str) -> None:
        """Keep the flag, because the message is shown behind it."""
        super().__init__(message)
        self.flag = flag


class Call(NamedTuple):
    """What every command gets: where it works, and how it answers."""

    screen: Screen
    folder: Path
    """The data folder."""
    files: tuple[str, ...]
    """The stack files that were named, else the default one."""
    files_named: bool
    """Whether somebody named them; a default that is absent is not an error where no stack is needed."""
    json: bool
    quiet: bool
    verbose: int
    environment: Mapping[str, str]
    var_files: "Sequence[Source | Unusable]" = ()
    """The variable files, as they were read."""
    command: str = ""
    """The words that name the command: `apply`, `vm stop`."""
    typed: frozenset[str] = frozenset()
    """The parameters that the command line itself gives, rather than the environment, the host file or a default."""
    stream: "Stream | None" = None
    """The event stream, where all that a command runs writes into one; else each apply opens its own."""

    def note(self, text: str) -> None:
        """Say something on stderr that nobody needs."""
        if not self.quiet:
            self.screen.talk(text)


class Parameter(NamedTuple):
    """One flag or argument of a command."""

    name: str
    kind: Any
    mark: flags.Flag | flags.Argument
    default: Any

    @property
    def is_switch(self) -> bool:
        """Return whether it stands alone on the command line, without a value."""
        return self.kind is bool or bool(self.mark.more.get("count"))


def function_of(leaf: command_table.Leaf) -> Callable[..., int]:
    """Import the module of a command and return its function."""
    import importlib

    function: Callable[..., int] = getattr(importlib.import_module(f"herocloud.cli.commands.{leaf.module}"), leaf.function)
    return function


def parameters(function: Any) -> list[Parameter]:
    """Return what a command takes, its own parameters first. `inspect` would tell the same, and takes longer to import than a plan may."""
    code, defaults = function.__code__, function.__defaults__ or ()
    plain = code.co_varnames[: code.co_argcount]
    fallback = {**dict(zip(plain[len(plain) - len(defaults) :], defaults, strict=True)), **(function.__kwdefaults__ or {})}
    own: list[Parameter] = []
    groups: list[Any] = []
    for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]:
        hint = function.__annotations__[name]
        if hasattr(hint, "_fields"):
            groups.append(hint)
        else:
            own.append(Parameter(name, hint.__origin__, hint.__metadata__[0], fallback.get(name, REQUIRED)))
    return [*own, *(parameter for group in (*groups, flags.Everywhere) for parameter in parameters_of(group))]


def parameters_of(group: Any) -> Iterator[Parameter]:
    """Yield the flags of a group."""
    for name, hint in group.__annotations__.items():
        yield Parameter(name, hint.__origin__, hint.__metadata__[0], group._field_defaults[name])


def call(function: Callable[..., int], values: Mapping[str, Any], typed: Iterable[str] = ()) -> int:
    """Put the values of groups together and call the command; `typed` names the parameters that the command line gives."""
    annotations = function.__annotations__
    everywhere = _gather(flags.Everywhere, values)
    given = {
        name: _gather(hint, values) if hasattr(hint, "_fields") else values[name]
        for name, hint in annotations.items()
        if name not in {"call", "return"}
    }
    made = _answer(everywhere, os.environ)._replace(command=command_table.name_of(function), typed=frozenset(typed))
    code = function(_with_variables(made, values), **given)
    made.screen.flush()
    return code


def _with_variables(made: Call, values: Mapping[str, Any]) -> Call:
    """Pass variable values on to secrets, which name a variable as `{env: HEROCLOUD_VAR_NAME}`.

    Variable files are read here, once: one may be a pipe, as in `--var-file <(sops -d secrets.yaml)`.
    """
    given, files = values.get("var") or (), values.get("var_file") or ()
    if not given and not files:
        return made
    from herocloud.stack import sources, variables

    read = [sources.read_source(str(path)) for path in files]
    return made._replace(environment={**made.environment, **variables.as_environment(given, read)}, var_files=read)


def _gather(group: Any, values: Mapping[str, Any]) -> Any:
    return group(*[values[name] for name in group._fields])


def _answer(everywhere: flags.Everywhere, environment: Mapping[str, str]) -> Call:
    """Turn the global flags into what commands work with; follows `--chdir` first, because other paths are meant from there."""
    if everywhere.chdir is not None:
        os.chdir(everywhere.chdir)
    from herocloud.operations import inputs

    files = tuple(str(path) for path in everywhere.file or ())
    return Call(
        screen=terminal.open_screen(environment, no_color=everywhere.no_color),
        # What runs longer than this command gets this folder, and it may be asked about from elsewhere.
        folder=Path(os.path.abspath(inputs.choose_folder(everywhere.data_dir, environment, root=os.geteuid() == 0))),  # noqa: PTH100  (links stay)
        files=files or (DEFAULT_STACK,),
        files_named=bool(files),
        json=everywhere.json,
        quiet=everywhere.quiet,
        verbose=everywhere.verbose,
        environment=environment,
    )
