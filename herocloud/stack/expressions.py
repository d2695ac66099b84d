"""Expressions in double braces: what they may say, found in a text and replaced.

The grammar is closed on purpose: a name, a property of a VM or of the host, the number of an instance, and a whole number added or
taken away. A template language would make a file a program, and a plan could no longer say where a value comes from. This module loads
nothing heavy, because the planner resolves the `vm.…` expressions with it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from herocloud.stack import patterns

_BRACES = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_SUM = re.compile(r"^(.*\S)\s+([+-])\s+(\d{1,9})$", re.DOTALL)
_VARIABLE = re.compile(patterns.VARIABLE)
_VM = re.compile(r"vm\.([a-z][a-z0-9-]*)(?:\[(\d{1,6}|index)\])?\.(?:(address|mac)\.([a-z][a-z0-9-]*)|(mycelium|sid|slices|vcpus|memory))")
_HOST = re.compile(r"^host\.([a-z_]+)$")

HOST_FIELDS = ("name", "cpus", "memory", "disk", "slices")
BRACE = ("'{{'", '"{{"')
"""`{{ '{{' }}` stands for two braces that begin no expression."""
RESERVED = ("vm", "host", "index")


class Expression(NamedTuple):
    """What stands between two pairs of braces."""

    text: str
    """With its braces."""
    kind: str
    """`variable`, `host`, `index`, `vm`, `brace`, or `bad`."""
    name: str = ""
    """The variable, the host's field or the VM."""
    number: int | None = None
    by_index: bool = False
    """`vm.db[index]`: the instance with the same number as the VM around it."""
    network: str | None = None
    """The network that is meant, for `address` and `mac`."""
    plus: int = 0
    asks: str = ""
    """What of a VM: `address`, `mac`, `mycelium`, `sid`, `slices`, `vcpus` or `memory`."""


def parse(inner: str, text: str) -> Expression:
    """Take apart what stands between the braces."""
    inner = inner.strip()
    plus = 0
    if added := _SUM.fullmatch(inner):
        inner, sign, amount = added.groups()
        plus = int(amount) if sign == "+" else -int(amount)
    if inner in BRACE:
        return Expression(text, "brace")
    if inner == "index":
        return Expression(text, "index", plus=plus)
    if match := _HOST.fullmatch(inner):
        return Expression(text, "host", match.group(1), plus=plus)
    match = _VM.fullmatch(inner)
    if match and not plus:
        name, number, on_network, network, alone = match.groups()
        by_index = number == "index"
        return Expression(
            text, "vm", name, None if number is None or by_index else int(number), by_index, network, asks=on_network or alone
        )
    if _VARIABLE.fullmatch(inner) and inner not in RESERVED:
        return Expression(text, "variable", inner, plus=plus)
    return Expression(text, "bad", inner)


def find(text: str) -> Iterator[Expression]:
    """Yield the expressions in a text, in order; braces that open and never close are a bad one."""
    end = 0
    for match in _BRACES.finditer(text):
        yield parse(match.group(1), match.group(0))
        end = match.end()
    opened = text.find("{{", end)
    if opened >= 0:
        yield Expression(text[opened : opened + 40], "bad", text[opened + 2 : opened + 40].strip())


def has_any(value: Any) -> bool:
    """Tell whether any text in a value holds an expression."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(map(has_any, value.values()))
    return isinstance(value, list) and any(map(has_any, value))


def replace(text: str, resolve: Callable[[Expression], Any]) -> Any:
    """Replace the expressions in a text; one that is the whole text keeps the type of its value.

    `resolve` returns the value, or `KEEP` for an expression that stays as it is.
    """
    whole = _BRACES.fullmatch(text)
    if whole and "{{" not in whole.group(1):
        value = resolve(parse(whole.group(1), whole.group(0)))
        return text if value is KEEP else value

    def part(match: re.Match[str]) -> str:
        value = resolve(parse(match.group(1), match.group(0)))
        return match.group(0) if value is KEEP else to_text(value)

    return _BRACES.sub(part, text)


def replace_within(value: Any, resolve: Callable[[Expression], Any]) -> Any:
    """Replace the expressions in every text inside a value; what holds none comes back as it is."""
    if isinstance(value, str):
        return replace(value, resolve) if "{{" in value else value
    if isinstance(value, dict):
        return {key: replace_within(inner, resolve) for key, inner in value.items()} if has_any(value) else value
    if isinstance(value, list):
        return [replace_within(inner, resolve) for inner in value] if has_any(value) else value
    return value


def to_text(value: Any) -> str:
    """Write a value inside a longer text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(to_text, value))
    return str(getattr(value, "text", value))


class _Keep:
    def __repr__(self) -> str:
        return "KEEP"


KEEP: Any = _Keep()
