"""From the text of a host file to values by dotted name: every mistake with its place, in one run.

The nodes of the YAML tree are walked before any value is made of them, because only nodes know where they stand. This module and the
YAML library behind it are loaded only when the file has changed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from herocloud.host import hostfile_schema
from herocloud.host.hostfile_schema import Reader, Wrong
from herocloud.kits import nearest
from herocloud.kits.jsons import Json
from herocloud.model.diagnostics import Diagnostic, Place, sort_diagnostics

SUMMARIES = {
    "yaml-syntax": "Not valid YAML",
    "yaml-not-a-mapping": "File is not a mapping",
    "unknown-key": "Unknown key",
    "duplicate-key": "Key is there twice",
    "wrong-type": "Wrong type of value",
    "out-of-range": "Number is out of range",
    "bad-name": "Not a valid name",
    "bad-size": "Not a size",
    "bad-rate": "Not a rate",
    "bad-duration": "Not a duration",
    "unknown-word": "Word is not among the choices",
}


class Parsed(NamedTuple):
    """What a text says; no values at all when something in it is wrong."""

    values: dict[str, Json] | None
    simulated: bool
    diagnostics: tuple[Diagnostic, ...]


def parse(text: str, name: str) -> Parsed:
    """Read the text of a host file; `name` is what diagnostics call it."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    lines = text.splitlines()
    try:
        # The parser in Python, because the one in C ends the process when a file nests thousands of levels deep.
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return Parsed(None, simulated=False, diagnostics=(_syntax_error(error, name, lines),))
    except RecursionError:
        deep = Diagnostic("yaml-syntax", SUMMARIES["yaml-syntax"], f"`{name}`: it is nested too deeply.", place=Place(name, 1, 1, 1, 2))
        return Parsed(None, simulated=False, diagnostics=(deep,))
    walk = _Walk(name, lines)
    if root is not None and not _is_null(root):
        walk.mapping(root, hostfile_schema.SHAPE, "")
    if walk.found:
        return Parsed(None, simulated=False, diagnostics=tuple(sort_diagnostics(walk.found)))
    return Parsed(walk.values, walk.simulated, ())


class _Walk:
    """One walk through the nodes: collects values and mistakes."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.values: dict[str, Json] = {}
        self.simulated = False
        self.found: list[Diagnostic] = []
        self._name = name
        self._lines = lines

    def mapping(self, node: Any, shape: Mapping[str, Reader | Mapping[str, Reader]], above: str) -> None:
        if not node.tag.endswith(":map"):
            self._refuse(
                node,
                Wrong(
                    "yaml-not-a-mapping" if not above else "wrong-type",
                    f"{f'`{above}`' if above else 'The host file'} holds keys with values.",
                ),
            )
            return
        for key, value in self._entries(node, shape, above):
            reader = shape[key]
            dotted = f"{above}.{key}" if above else key
            if _is_null(value):
                continue
            if isinstance(reader, Mapping):
                self.mapping(value, reader, dotted)
                # `simulated: {}` simulates this very machine, so the presence of the key counts and not what is in it.
                self.simulated |= dotted == "simulated"
            else:
                self._value(value, reader, dotted, listed=above == hostfile_schema.SETTINGS)

    def _entries(self, node: Any, shape: Mapping[str, object], above: str) -> Iterator[tuple[str, Any]]:
        seen = set()
        where = f"`{above}`" if above else "the host file"
        for key_node, value in node.value:
            written = key_node.value if isinstance(key_node.value, str) else "…"
            # A flag may be written as its parameter is called, since every other key of this file has underscores.
            key = written.replace("_", "-") if above == hostfile_schema.SETTINGS else written
            if key not in shape:
                meant = nearest.nearest(key, shape)
                hint = f"did you mean `{meant}`?" if meant else f"keys are {', '.join(f'`{one}`' for one in shape)}"
                self._refuse(key_node, Wrong("unknown-key", f"`{written}` is not a key of {where}.", hint))
            elif key in seen:
                self._refuse(key_node, Wrong("duplicate-key", f"`{written}` is in {where} twice.", "keep one of the two"))
            else:
                seen.add(key)
                yield key, value

    def _value(self, node: Any, reader: Reader, dotted: str, *, listed: bool) -> None:
        if listed and node.tag.endswith(":seq") and all(isinstance(item.value, str) for item in node.value):
            self.values[dotted] = ",".join(reader(item.tag, item.value) for item in node.value)
            return
        if not isinstance(node.value, str):
            self._refuse(node, Wrong("wrong-type", f"`{dotted}` is a single value."))
            return
        read = reader(node.tag, node.value)
        if isinstance(read, Wrong):
            self._refuse(node, read)
        else:
            self.values[dotted] = read

    def _refuse(self, node: Any, wrong: Wrong) -> None:
        start, end = node.start_mark, node.end_mark
        place = Place(self._name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        self.found.append(
            Diagnostic(
                wrong.code, SUMMARIES[wrong.code], wrong.detail, place=place, snippet=_line(self._lines, start.line), hint=wrong.hint
            )
        )


def _is_null(node: Any) -> bool:
    return hostfile_schema.is_null(node.tag)


def _line(lines: list[str], number: int) -> str:
    return lines[number] if number < len(lines) else ""


def _syntax_error(error: Any, name: str, lines: list[str]) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    problem = (getattr(error, "problem", None) or "").removeprefix("but ") or "it holds a character that YAML does not allow"
    place = None if mark is None else Place(name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
    snippet = None if mark is None else _line(lines, mark.line)
    return Diagnostic("yaml-syntax", SUMMARIES["yaml-syntax"], f"`{name}`: {problem}.", place=place, snippet=snippet)
