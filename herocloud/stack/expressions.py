"""Expressions in double braces: what they may say, found in a text and replaced.

The grammar is closed on purpose: a name, a property of a VM, of all its instances or of the host, the number of an instance, a whole
number added or taken away, and `join` and `length` of a list. A template language would make a file a program, and a plan could no longer
say where a value comes from. This module loads nothing heavy, because the planner resolves the `vm.…` expressions with it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.stack.fields import spellings

_SUM = r"^(.*\S)\s*([+-])\s*(\d{1,9})$"
_CALL = r"^(join|length)\(\s*([^\s,()]+)\s*(?:,\s*(\"[^\"]*\"|'[^']*')\s*)?\)$"
_VARIABLE = spellings.VARIABLE
_VM = r"vm\.([a-z][a-z0-9-]*)(?:\[(\d{1,6}|index|\*)\])?\.(?:(address|mac)\.([a-z][a-z0-9-]*)|(mycelium|sid|slices|vcpus|memory))"
_HOST = r"^host\.([a-z_]+)$"

FORMS = (
    "{{ variable }}", "{{ variable + 1 }}", "{{ stack }}", "{{ index }}", "{{ host.name }}", "{{ vm.NAME.address.NETWORK }}",
    "{{ vm.NAME.mac.NETWORK }}", "{{ vm.NAME.mycelium }}", "{{ vm.NAME.sid }}", "{{ vm.NAME.slices }}", "{{ vm.NAME.vcpus }}",
    "{{ vm.NAME.memory }}", "{{ vm.NAME[*].address.NETWORK }}", '{{ join(LIST, ",") }}', "{{ length(LIST) }}",
)  # fmt: skip
"""Everything that an expression can say, for hints and for the reference."""
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
    every: bool = False
    """`vm.db[*]`: a list with the value of every instance."""
    call: str = ""
    """`join` or `length`, which make a text or a number of a list."""
    between: str = ", "
    """What `join` puts between the items."""
    asks: str = ""
    """What of a VM: `address`, `mac`, `mycelium`, `sid`, `slices`, `vcpus` or `memory`."""


def parse(inner: str, text: str) -> Expression:
    """Take apart what stands between the braces."""
    inner = inner.strip()
    if called := re.fullmatch(_CALL, inner):
        call, subject, between = called.groups()
        expression = parse(subject, text)
        if expression.kind not in {"variable", "vm"} or (call == "length" and between is not None):
            return Expression(text, "bad", inner)
        return expression._replace(call=call, between=", " if between is None else between[1:-1])
    plus = 0
    match = re.fullmatch(_VM, inner)
    if match:
        name, number, on_network, network, alone = match.groups()
        instance = int(number) if number is not None and number.isdigit() else None
        return Expression(text, "vm", name, instance, number == "index", network, every=number == "*", asks=on_network or alone)
    if added := re.fullmatch(_SUM, inner, re.DOTALL):
        inner, sign, amount = added.groups()
        plus = int(amount) if sign == "+" else -int(amount)
    if inner in BRACE and not plus:
        return Expression(text, "brace")
    if inner == "index":
        return Expression(text, "index", plus=plus)
    if match := re.fullmatch(_HOST, inner):
        return Expression(text, "host", match.group(1), plus=plus)
    if re.fullmatch(_VARIABLE, inner) and inner not in RESERVED:
        return Expression(text, "variable", inner, plus=plus)
    return Expression(text, "bad", inner)


def _cut(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each expression begins and ends; a pattern would search to the end again for every brace that is never closed."""
    begin = text.find("{{")
    while begin >= 0:
        end = text.find("}}", begin + 2)
        if end < 0:
            return
        yield begin, end + 2
        begin = text.find("{{", end + 2)


def find(text: str) -> Iterator[Expression]:
    """Yield the expressions in a text, in order; braces that open and never close are a bad one."""
    last = 0
    for begin, end in _cut(text):
        yield parse(text[begin + 2 : end - 2], text[begin:end])
        last = end
    opened = text.find("{{", last)
    if opened >= 0:
        yield Expression(text[opened : opened + 40], "bad", text[opened + 2 : opened + 40].strip())


def has_any(value: Any) -> bool:
    """Return whether any text in a value holds an expression."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(map(has_any, value.values()))
    return isinstance(value, list) and any(map(has_any, value))


def replace(text: str, resolve: Callable[[Expression], Any]) -> Any:
    """Replace the expressions in a text; one that is the whole text keeps the type of its value.

    `resolve` returns the value, or `KEEP` for an expression that stays as it is.
    """
    parts: list[str] = []
    last = 0
    for begin, end in _cut(text):
        written = text[begin:end]
        value = resolve(parse(text[begin + 2 : end - 2], written))
        if value is KEEP:
            value = written
        elif begin == 0 and end == len(text):
            return value
        parts += [text[last:begin], to_text(value)]
        last = end
    return "".join([*parts, text[last:]])


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


def apply_call(expression: Expression, value: list[Any]) -> Any:
    """Return what `join` or `length` make of a list."""
    return len(value) if expression.call == "length" else expression.between.join(map(to_text, value))


def spell_out(value: Any, many: Callable[[str], int | None]) -> Any:
    """Write `vm.web[*]` as `vm.web[0:2]`, which says how many instances there are; `vm.db[:]` is the one of a VM without `count`."""

    def resolve(expression: Expression) -> Any:
        if not expression.every:
            return KEEP
        count = many(expression.name)
        return expression.text.replace("[*]", "[:]" if count is None else f"[0:{count}]")

    if isinstance(value, str):
        return str(replace(value, resolve)) if "[*]" in value else value
    if isinstance(value, dict):
        return {key: spell_out(inner, many) for key, inner in value.items()}
    return [spell_out(inner, many) for inner in value] if isinstance(value, list) else value


class _Keep:
    def __repr__(self) -> str:
        return "KEEP"


KEEP: Any = _Keep()
