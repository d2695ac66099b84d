"""Plain values as the text of a stack file.

ruamel's round-trip dumper writes them, because it knows which texts need quotes; small mappings and lists of words stay on one line.
"""

import io
from typing import Any

WIDTH = 120
_FLOW_DEPTH = 2
"""From this depth below a section on, what fits a line is written on one."""


def write(tree: dict[str, Any]) -> str:
    """Return the text of a stack file; blank lines part the sections."""
    yaml = make_yaml()
    parts: list[str] = []
    for key, value in tree.items():
        stream = io.StringIO()
        yaml.dump({key: _prepare(value, 0)}, stream)
        text = stream.getvalue()
        if parts and ("\n" in text.rstrip("\n") or "\n" in parts[-1].rstrip("\n")):
            parts.append("\n")
        parts.append(text)
    return "".join(parts)


def make_yaml() -> Any:
    """Return ruamel's round-trip reader and writer with our layout."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.allow_unicode = True
    # Long lines are the author's choice; folding would move words into other lines at every change.
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _prepare(value: Any, depth: int) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, dict):
        mapping = CommentedMap(
            {key if key.isprintable() else DoubleQuotedScalarString(key): _prepare(inner, depth + 1) for key, inner in value.items()}
        )
        if depth >= _FLOW_DEPTH and fits_line(value):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        listed = CommentedSeq([_prepare(inner, depth + 1) for inner in value])
        if fits_line(value):
            listed.fa.set_flow_style()
        return listed
    if isinstance(value, str) and not value.isprintable():
        plain = value.replace("\n", "")
        # A block keeps a script readable; what a block cannot hold exactly (other control characters, blanks at
        # the ends of lines) goes into quotes.
        if (
            plain.isprintable()
            and not value.startswith((" ", "\n"))
            and not value.endswith("\n\n")
            and all(line == line.rstrip() for line in value.split("\n"))
        ):
            return LiteralScalarString(value)
        return DoubleQuotedScalarString(value)
    if isinstance(value, str) and ":" in value:
        # Between brackets libyaml takes any colon for the end of a key, and the dumper knows only YAML 1.2's rule.
        return DoubleQuotedScalarString(value)
    return value


def fits_line(value: Any) -> bool:
    """Return whether a value is short and flat enough for one line."""
    return isinstance(value, dict | list) and "\n" not in str(value).replace("\\n", "\n") and len(str(value)) < WIDTH - 40
