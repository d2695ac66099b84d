"""From the words on the command line to a command and its flags, by the declarations in `flags` alone.

This accepts two habits: Terraform users write long flags with one dash (`-out=FILE`, `-refresh=false`), and everybody writes global flags
before the command as well as after it. `command_values` turns the result into values, or Typer reads it in the one spelling that it knows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from herocloud.cli import command, command_table, flags
from herocloud.cli.command import Parameter
from herocloud.kits.named_tuples import NamedTuple


class Token(NamedTuple):
    """A flag with its value, or a word without a flag."""

    words: tuple[str, ...]
    """As Typer knows them."""
    parameter: Parameter | None = None
    value: Any = None
    """Nothing where only Typer can tell what the words mean."""


class Line(NamedTuple):
    """A command line, taken apart."""

    path: tuple[str, ...]
    function: Callable[..., int] | None
    """Nothing when the words lead to no command."""
    tokens: tuple[Token, ...]

    @property
    def words(self) -> list[str]:
        """Return all words in Typer's spelling, global flags behind the command."""
        return [*self.path, *(word for token in self.tokens for word in token.words)]

    def value(self, name: str) -> Any:
        """Return what was given for a flag, the last one when there are several."""
        return next((token.value for token in reversed(self.tokens) if token.parameter is not None and token.parameter.name == name), None)


_Flags = Mapping[str, tuple[Parameter, bool]]
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def take_apart(arguments: Sequence[str]) -> Line:
    """Find the command that words name, and the flags around it."""
    rest = [*arguments[1:], "--help"] if arguments[:1] == ["help"] else list(arguments)
    everywhere = _table(command.parameters_of(flags.Everywhere))
    path: tuple[str, ...] = ()
    before: list[Token] = []
    while rest:
        token, used = _token(rest, everywhere)
        if token.parameter is not None:
            before.append(token)
            rest = rest[used:]
            continue
        entry = command_table.find((*path, rest[0]))
        if entry is None:
            break
        path, rest = (*path, rest[0]), rest[1:]
        if isinstance(entry, command_table.Leaf):
            function = command.function_of(entry)
            return Line(path, function, (*before, *_tokens(rest, _table(command.parameters(function)))))
    # No command was named: global flags would only hide that behind an error of their own.
    return Line(path, None, tuple(_tokens(rest, everywhere)))


def _table(parameters: Iterable[Parameter]) -> _Flags:
    table: dict[str, tuple[Parameter, bool]] = {}
    for parameter in parameters:
        if isinstance(parameter.mark, flags.Flag):
            for names in (*parameter.mark.names, *parameter.mark.also):
                on, _, off = names.partition("/")
                table.setdefault(on, (parameter, True))
                if off:
                    table.setdefault(off, (parameter, False))
    return table


def _tokens(words: list[str], table: _Flags) -> Iterator[Token]:
    while words:
        if words[0] == "--":
            yield Token(tuple(words), value=words[1:])
            return
        token, used = _token(words, table)
        yield token
        words = words[used:]


def _token(words: Sequence[str], table: _Flags) -> tuple[Token, int]:
    """Read the first word, with its value where that is the next one; tell how many words were used."""
    word = words[0]
    if len(word) < 2 or word[0] != "-":
        return Token((word,), value=word), 1
    if word in {"-h", "-help"}:
        return Token(("--help",)), 1
    name, equals, value = (word if len(word) == 2 else f"--{word.lstrip('-')}").partition("=")
    if name not in table:
        if word[:2] in table and not word.startswith("--"):
            # `-fFILE`, `-f=FILE` or `-qv`.
            parameter, _ = table[word[:2]]
            if not parameter.is_switch:
                value = word[2:].removeprefix("=")
                return Token((word[:2] + value,), parameter, value or None), 1
            if all(f"-{letter}" in table for letter in word[1:]):
                return Token((word,), parameter), 1
        # An unknown long flag with one dash gets its second, or Typer would take its letters for short ones.
        return Token((word if word.startswith("--") or len(word) == 2 else f"-{word}",)), 1
    parameter, on = table[name]
    if isinstance(parameter.mark, flags.Flag) and name in parameter.mark.also:
        name = parameter.mark.names[0]
    if not parameter.is_switch:
        if equals:
            return Token((f"{name}={value}",), parameter, value), 1
        given = words[1] if len(words) > 1 and (words[1] == "-" or words[1][:1] != "-") else None
        return Token((name, *words[1:2]), parameter, given), 2
    if not equals:
        return Token((name,), parameter, on), 1
    if value.lower() not in _TRUTH:
        return Token((f"{name}={value}",), parameter), 1
    state = _TRUTH[value.lower()] is on
    spelled = [known for known, (other, set_to) in table.items() if other is parameter and set_to is state and known.startswith("--")]
    return Token(tuple(spelled[:1]), parameter, state), 1
