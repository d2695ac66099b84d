"""The tree of commands, made from plain functions whose parameters are groups of flags.

Makes a Typer command out of a plain function whose parameters are groups of flags. `def plan(call: Call, planning: flags.Planning, out:
…) -> int` says what the command needs; its options are the fields of the groups. Typer reads a signature, so the groups are spread into
one that it can read, and gathered again before the function is called. Writing some forty parameters into each of the planning commands
would be the alternative.

The tree of commands, grown on demand: a branch knows the names of its members and imports only the one that is called.
"""

import inspect
import os
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from herocloud.cli import catalogue, flags, terminal
from herocloud.cli.terminal import Screen
from herocloud.kits import names

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
    from herocloud.operations import inputs

    files = tuple(str(path) for path in everywhere.file or ())
    return Call(
        screen=terminal.open_screen(environment, no_color=everywhere.no_color),
        folder=inputs.choose_folder(everywhere.data_dir, environment, root=os.geteuid() == 0),
        files=files or (DEFAULT_STACK,),
        files_named=bool(files),
        json=everywhere.json,
        quiet=everywhere.quiet,
        verbose=everywhere.verbose,
        environment=environment,
    )


def _help(module: Any, function: str) -> str:
    return inspect.cleandoc(getattr(module, function).__doc__ or "")


ROOT_HELP = "Plan and apply for virtual machines on hosts you own."
_EPILOG = (
    "Every command takes --data-dir, --chdir, -f/--file, --json, --no-color, -q and -v, before it or behind it. "
    "`herocloud COMMAND --help` tells its own flags; docs/cli.md tells everything."
)


class Branch(TyperGroup):
    """A group whose members come out of the catalogue."""

    words: tuple[str, ...] = ()
    defaults: Any = None
    """Flags that the host file sets, for the commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (the parser's signature)
        """Return the names, in the catalogue's order."""
        return list(self._members())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (the parser's signature)
        """Import and return one member; nothing when there is none of this name."""
        if cmd_name not in self.commands:
            found = self._members().get(cmd_name)
            if found is None:
                return None
            words = (*self.words, cmd_name)
            if isinstance(found, catalogue.Group):
                self.commands[cmd_name] = grow(words, self.defaults)
            else:
                self.commands[cmd_name] = make_command(words, found, self.defaults)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  (the parser's signature)
        """List the members with the catalogue's lines, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.says) for name, entry in self._members().items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the members' names, without importing any."""
        from typer._click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=entry.says) for name, entry in self._members().items() if name.startswith(incomplete)]
        return found or super(TyperGroup, self).shell_complete(ctx, incomplete)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the member that is called, or name the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in self._members():
            close = names.nearest(args[0], self._members())
            hint = f" Did you mean `{close}`?" if close else ""
            ctx.fail(f"There is no command `{' '.join((*self.words, args[0]))}`.{hint}")
        return super().resolve_command(ctx, args)

    def _members(self) -> dict[str, Any]:
        found = catalogue.find(self.words)
        if isinstance(found, catalogue.Group):
            return dict(found.members)
        return dict(catalogue.COMMANDS)


def grow(words: tuple[str, ...] = (), defaults: Any = None) -> Branch:
    """Return the group at these words, the root for none."""
    found = catalogue.find(words)
    says = found.says if isinstance(found, catalogue.Group) else ROOT_HELP
    settings = {"help_option_names": ["--help", "-h"]}
    app = typer.Typer(cls=Branch, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

    if words:

        def entered() -> None:
            return None
    else:

        def entered(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:  # type: ignore[misc]
            if version:
                from herocloud.cli import entry

                raise typer.Exit(entry.print_version())

    app.callback(help=says, epilog=None if words else _EPILOG, context_settings=settings, invoke_without_command=not words)(entered)
    group = typer.main.get_command(app)
    assert isinstance(group, Branch)  # noqa: S101  (for the type checker)
    group.words, group.defaults = words, defaults
    group.name = words[-1] if words else "herocloud"
    return group
