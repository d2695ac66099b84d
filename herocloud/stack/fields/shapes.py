"""Makes `shapes.json` out of the models: what `gating` needs to know of them. `python -m herocloud.stack.fields.shapes` writes it again.

A shape is a word (`text`, `bool`, `size`) or a list that begins with one: `["int", 1, 64]`, `["list", SHAPE]`, `["named", SHAPE]` for a
mapping below names of the user's, `["block", NAME]`. What the markers of `kinds` do to a value has a word too, and `maybe` stands around
what may be `null`.
"""

import json
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from herocloud.kits.jsons import Json
from herocloud.stack.fields import kinds, surroundings, validation
from herocloud.stack.fields.stack_file import StackFile

FILE = Path(__file__).with_name("shapes.json")
_PLAIN: dict[Any, Json] = {str: "str", bool: "bool", Any: "any"}


def render() -> str:
    """Return the text of the file."""
    found: dict[str, Json] = {}
    for model in (StackFile, surroundings.VariablesOnly):
        _add(model, found)
    needed = {name: dict(validation.needed_keys(kind)) for name, kind in sorted(_models().items()) if validation.needed_keys(kind)}
    parts = [f'"{part}": {{\n{_lines(blocks)}\n}}' for part, blocks in (("blocks", dict(sorted(found.items()))), ("needed", needed))]
    return "{" + ", ".join(parts) + "}\n"


def _lines(blocks: dict[str, Json]) -> str:
    """Write one line per field, so that a change of a model is seen as a change of a line."""
    texts = []
    for name, fields in blocks.items():
        inner = ",\n".join(f'    "{key}": {json.dumps(shape)}' for key, shape in fields.items())
        texts.append(f'  "{name}": {{\n{inner}\n  }}')
    return ",\n".join(texts)


def _models() -> dict[str, type[BaseModel]]:
    return {kind.__name__: kind for block in kinds.Block.__subclasses__() for kind in (block, *block.__subclasses__())}


def _add(model: type[BaseModel], found: dict[str, Json]) -> None:
    if model.__name__ not in found:
        fields = {field.alias or name: _shape(field.annotation, field.metadata, found) for name, field in model.model_fields.items()}
        found[model.__name__] = fields


def _shape(kind: Any, marks: Iterable[Any], found: dict[str, Json]) -> Json:
    if hasattr(kind, "__metadata__"):
        return _shape(kind.__origin__, [*kind.__metadata__, *marks], found)
    if get_origin(kind) in (Union, types.UnionType):
        inner = [argument for argument in get_args(kind) if argument is not type(None)]
        if inner == [int, float]:
            return "number"
        (only,) = inner
        return _mark(_shape(only, (), found), marks, nullable=True)
    return _mark(_bare(kind, found), marks, nullable=False)


def _bare(kind: Any, found: dict[str, Json]) -> Json:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is int:
        return ["int", None, None]
    if get_origin(kind) is list:
        return ["list", _shape(get_args(kind)[0], (), found)]
    if get_origin(kind) is dict:
        return ["named", _shape(get_args(kind)[1], (), found)]
    _add(kind, found)
    return ["block", kind.__name__]


def _mark(shape: Json, marks: Iterable[Any], *, nullable: bool) -> Json:
    """Put what stands around a type around its shape; an unknown mark has to be taught to the gate first."""
    for mark in _flat(marks):
        limit = {"Ge": 1, "Le": 2, "MinLen": 1, "MaxLen": 2}.get(type(mark).__name__)
        if isinstance(mark, kinds.Kind):
            shape = mark.shape
        elif isinstance(mark, kinds.Short):
            shape = ["short", mark.key, shape]
        elif isinstance(mark, kinds.OneOrMore):
            shape = ["many", shape]
        elif isinstance(mark, kinds.Entry):
            shape = ["entry", shape]
        elif isinstance(mark, kinds.Switch):
            shape = ["switch", shape]
        elif limit is not None:
            shape = ["str", None, None] if shape == "str" else list(shape)
            shape[limit] = mark.ge if limit == 1 and shape[0] == "int" else mark.le if shape[0] == "int" else _length(mark)
        else:
            raise TypeError(f"the gate knows nothing of {mark!r}")
    return ["maybe", shape] if nullable else shape


def _length(mark: Any) -> int:
    return int(mark.min_length if hasattr(mark, "min_length") else mark.max_length)


def _flat(marks: Iterable[Any]) -> Iterable[Any]:
    for mark in marks:
        yield from mark.metadata if isinstance(mark, FieldInfo) else (mark,)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
