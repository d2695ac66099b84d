"""The values of a command's parameters, read from its words without Typer where the words leave no doubt.

Importing Typer takes as long as planning a hundred VMs. Help, mistakes, clusters of short flags and values from the host file go to Typer.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from herocloud.cli import command, flags
from herocloud.cli.command import REQUIRED, Parameter
from herocloud.cli.command_words import Line


class Unclear(Exception):
    """Typer has to read these words."""


def read(line: Line, environment: Mapping[str, str], setting: Callable[[str], Any]) -> dict[str, Any]:
    """Return a value for every parameter of the command; raises `Unclear`. `setting` asks the host file for a flag's value."""
    if line.function is None:
        raise Unclear
    values: dict[str, Any] = {}
    plain: list[str] = []
    for token in line.tokens:
        if token.value is None:
            raise Unclear
        if token.parameter is None:
            plain += [token.value] if isinstance(token.value, str) else token.value
        else:
            _keep(values, token.parameter, token.value)
    parameters = command.parameters(line.function)
    for parameter in parameters:
        if isinstance(parameter.mark, flags.Argument):
            many = get_origin(_bare(parameter.kind)) is list
            for word in plain if many else plain[:1]:
                _keep(values, parameter, word)
            plain = [] if many else plain[1:]
    if plain:
        raise Unclear
    for parameter in (declared for declared in parameters if declared.name not in values):
        variable = parameter.mark.variable if isinstance(parameter.mark, flags.Flag) else ""
        if variable and variable in environment:
            if _bare(parameter.kind) not in (str, Path) or not environment[variable]:
                raise Unclear
            _keep(values, parameter, environment[variable])
        elif setting(parameter.name) is not None or parameter.default is REQUIRED:
            raise Unclear
        else:
            values[parameter.name] = parameter.default
    return values


def _keep(values: dict[str, Any], parameter: Parameter, value: Any) -> None:
    kind = _bare(parameter.kind)
    if kind is bool:
        values[parameter.name] = value
    elif parameter.mark.more.get("count"):
        values[parameter.name] = values.get(parameter.name, 0) + value
    elif get_origin(kind) is list:
        values.setdefault(parameter.name, []).append(_convert(get_args(kind)[0], value, parameter))
    else:
        values[parameter.name] = _convert(kind, value, parameter)


def _bare(kind: Any) -> Any:
    """Return a type without `| None`."""
    inner = [member for member in get_args(kind) if member is not type(None)]
    return inner[0] if type(None) in get_args(kind) and len(inner) == 1 else kind


def _convert(kind: Any, word: str, parameter: Parameter) -> Any:
    if kind in (str, Path):
        return kind(word)
    if kind is int and word.isascii() and word.isdigit() and len(word) < 10:
        number = int(word)
        if parameter.mark.more.get("min", 0) <= number <= parameter.mark.more.get("max", number):
            return number
    if get_origin(kind) is Literal and word in get_args(kind):
        return word
    raise Unclear
