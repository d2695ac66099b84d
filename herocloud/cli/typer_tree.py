"""The tree of commands as Typer's, grown on demand: a branch knows the names of its members and imports only the one that is called.

Typer reads a signature, so the groups of flags that a command takes are spread into one that it can read, and gathered again before the
command is called.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from herocloud.cli import command as commands
from herocloud.cli import command_table, flags, group_help
from herocloud.kits import nearest


def make_command(words: tuple[str, ...], leaf: command_table.Leaf, defaults: Any = None) -> Any:
    """Import the module of a command and return what Typer makes of its function."""
    function = commands.function_of(leaf)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    settings = {"help_option_names": ["--help", "-h"], "default_map": defaults}
    app.command(words[-1], help=inspect.cleandoc(function.__doc__ or ""), context_settings=settings)(spread(function))
    return typer.main.get_command(app)


def spread(function: Callable[..., int]) -> Callable[..., int]:
    """Return a function whose signature Typer can read, with one parameter per flag; called, it calls `function` with its groups."""
    parameters = {
        parameter.name: inspect.Parameter(
            parameter.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[parameter.kind, _mark(parameter.mark)],
            default=inspect.Parameter.empty if parameter.default is commands.REQUIRED else parameter.default,
        )
        for parameter in commands.parameters(function)
    }

    def gathered(context: Any, **values: Any) -> int:
        typed = [name for name in values if context.get_parameter_source(name).name == "COMMANDLINE"]
        return commands.call(function, values, typed)

    asked = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    gathered.__signature__ = inspect.Signature([asked, *parameters.values()])  # type: ignore[attr-defined]
    gathered.__annotations__ = {"context": typer.Context, **{name: parameter.annotation for name, parameter in parameters.items()}}
    return gathered


def _mark(mark: flags.Flag | flags.Argument) -> Any:
    """Return Typer's word for a flag or an argument."""
    if isinstance(mark, flags.Argument):
        return typer.Argument(help=mark.help, **mark.more)
    return typer.Option(*mark.names, envvar=mark.variable or None, help=mark.help, show_default=False, show_envvar=False, **mark.more)


class Branch(TyperGroup):
    """A group whose members come out of the command_table."""

    words: tuple[str, ...] = ()
    defaults: Any = None
    """Flags that the host file sets, for the commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  (the parser's signature)
        """Return the names, in the table's order."""
        return list(self._members())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  (the parser's signature)
        """Import and return one member; nothing when there is none of this name."""
        if cmd_name not in self.commands:
            members = self._members().get(cmd_name)
            if members is None:
                return None
            words = (*self.words, cmd_name)
            if isinstance(members, command_table.Group):
                self.commands[cmd_name] = grow(words, self.defaults)
            else:
                self.commands[cmd_name] = make_command(words, members, self.defaults)
        return self.commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002  (the parser's signature)
        """List the members with the table's lines, without importing any."""
        formatter.write(group_help.render(self.words).rstrip("\n") + "\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the member that is called, or name the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in self._members():
            elsewhere = command_table.ELSEWHERE.get(args[0]) if not self.words else None
            close = None if elsewhere else nearest.nearest(args[0], self._members())
            hint = f" {elsewhere}" if elsewhere else f" Did you mean `{close}`?" if close else ""
            ctx.fail(f"There is no command `{' '.join((*self.words, args[0]))}`.{hint}")
        return super().resolve_command(ctx, args)

    def _members(self) -> dict[str, Any]:
        leaf = command_table.find(self.words)
        if isinstance(leaf, command_table.Group):
            return dict(leaf.members)
        return dict(command_table.COMMANDS)


def context_of(words: Iterable[str], **settings: Any) -> Any:
    """Return the context of the command that words begin with, its usage and its help; nothing is called."""
    command: Any = grow()
    context = command.make_context("herocloud", [], resilient_parsing=True, **settings)
    for word in words:
        if not isinstance(command, Branch):
            break
        command = command.get_command(context, word)
        context = command.make_context(word, [], parent=context, resilient_parsing=True, **settings)
    return context


def grow(words: tuple[str, ...] = (), defaults: Any = None) -> Branch:
    """Return the group at these words, the root for none."""
    settings = {"help_option_names": ["--help", "-h"]}
    app = typer.Typer(cls=Branch, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

    if words:

        def entered() -> None:
            return None
    else:

        def entered(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:  # type: ignore[misc]
            if version:
                from herocloud.cli import front_page

                raise typer.Exit(front_page.print_version())

    app.callback(context_settings=settings, invoke_without_command=not words)(entered)
    group = typer.main.get_command(app)
    assert isinstance(group, Branch)  # noqa: S101  (for the type checker)
    group.words, group.defaults = words, defaults
    group.name = words[-1] if words else "herocloud"
    return group
