"""The short way from words to a command: plain words are read here, without Typer.

Importing Typer and making its parser takes as long as the plan of a hundred VMs itself. So words that leave no doubt are read by the
same declarations that Typer is given: known flags in full, values of the simple kinds. Whatever else there is (help, a mistake, a short
form, a value from the host file) is left to Typer, which reads all words again and knows what to say.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from herocloud.cli import calling, catalogue, flags
from herocloud.cli.calling import REQUIRED, Parameter


class Unclear(Exception):
    """Words are for Typer to read."""


class Read(NamedTuple):
    """A command that was understood."""

    function: Callable[..., int]
    values: Mapping[str, Any]


def read(words: Sequence[str], environment: Mapping[str, str], setting: Callable[[str], Any]) -> Read:
    """Return the command that these words call; raises when they are not plain. `setting` asks the host file for a flag's value."""
    leaf, rest = _find(words)
    function = calling.function_of(leaf)
    reader = _Reader(calling.parameters(function))
    reader.take(rest)
    return Read(function, reader.complete(environment, setting))


def _find(words: Sequence[str]) -> tuple[catalogue.Leaf, Sequence[str]]:
    for length in (1, 2):
        found = catalogue.find(tuple(words[:length]))
        if isinstance(found, catalogue.Leaf) and len(words) >= length:
            return found, words[length:]
    raise Unclear


class _Reader:
    """Reads the words behind a command."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._places = [one for one in parameters if isinstance(one.mark, flags.Argument)]
        self._flags: dict[str, tuple[Parameter, Any]] = {}
        for one in parameters:
            if isinstance(one.mark, flags.Flag):
                for names in one.mark.names:
                    name, slash, opposite = names.partition("/")
                    self._flags[name] = (one, True)
                    if slash:
                        self._flags[opposite] = (one, False)
        self._values: dict[str, Any] = {}

    def take(self, words: Sequence[str]) -> None:
        """Read flags and arguments in their order."""
        plain: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if word == "--":
                plain += words[at:]
                break
            if len(word) < 2 or word[0] != "-":
                plain.append(word)
                continue
            name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if name not in self._flags:
                raise Unclear
            one, switched = self._flags[name]
            if one.kind is bool or _counts(one):
                if equals:
                    raise Unclear
                self._values[one.name] = switched if one.kind is bool else self._values.get(one.name, 0) + 1
                continue
            if not equals:
                if at == len(words) or (words[at][:1] == "-" and words[at] != "-"):
                    raise Unclear
                value = words[at]
                at += 1
            self._keep(one, value)
        self._place(plain)

    def _place(self, words: Sequence[str]) -> None:
        """Give the words that are no flags to the arguments."""
        for one in self._places:
            if get_origin(_bare(one.kind)) is list:
                for word in words:
                    self._keep(one, word)
                words = ()
            elif words:
                self._keep(one, words[0])
                words = words[1:]
        if words:
            raise Unclear

    def _keep(self, one: Parameter, word: str) -> None:
        kind = _bare(one.kind)
        if get_origin(kind) is list:
            self._values.setdefault(one.name, []).append(_convert(get_args(kind)[0], word, one))
        else:
            self._values[one.name] = _convert(kind, word, one)

    def complete(self, environment: Mapping[str, str], setting: Callable[[str], Any]) -> dict[str, Any]:
        """Return a value for every parameter: the one given, the environment's, or the default."""
        for one in self._parameters:
            if one.name in self._values:
                continue
            variable = one.mark.variable if isinstance(one.mark, flags.Flag) else ""
            if variable and variable in environment:
                if _bare(one.kind) not in (str, Path) or not environment[variable]:
                    raise Unclear
                self._keep(one, environment[variable])
            elif setting(one.name) is not None or one.default is REQUIRED:
                raise Unclear
            else:
                self._values[one.name] = one.default
        return self._values


def _counts(one: Parameter) -> bool:
    return bool(one.mark.more.get("count"))


def _bare(kind: Any) -> Any:
    """Return a type without `| None`."""
    inner = [one for one in get_args(kind) if one is not type(None)]
    return inner[0] if type(None) in get_args(kind) and len(inner) == 1 else kind


def _convert(kind: Any, word: str, one: Parameter) -> Any:
    if kind is str:
        return word
    if kind is Path:
        return Path(word)
    if kind is int and word.isascii() and word.isdigit() and len(word) < 10:
        number = int(word)
        if one.mark.more.get("min", 0) <= number <= one.mark.more.get("max", number):
            return number
    if get_origin(kind) is Literal and word in get_args(kind):
        return word
    raise Unclear
