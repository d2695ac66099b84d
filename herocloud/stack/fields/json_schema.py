"""The JSON Schema of stack files, for editors and for `herocloud schema`.

It is the models' own schema with what pydantic cannot know: keys that have to be there, the forms of names, and that an expression
may stand wherever a value does. A schema written by hand would be wrong within a week.
"""

from typing import Any

from herocloud.stack.fields import spellings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EXPRESSION = {"$ref": "#/$defs/Expression"}
_LITERAL = ("Variable", "Moved")
"""Blocks in which expressions have no meaning."""


def stack_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12)."""
    from herocloud.stack.fields.stack_file import StackFile

    schema = StackFile.model_json_schema(by_alias=True)
    blocks = schema.pop("$defs")
    _finish(schema, literal=False)
    for name, block in blocks.items():
        _finish(block, literal=name in _LITERAL)
    blocks["Expression"] = {
        "description": "An expression like `{{ fronts }}`, whose value takes its place.",
        "type": "string",
        "pattern": spellings.EXPRESSION,
    }
    for section in ("images", "sizes", "networks", "volumes", "vms"):
        _name_keys(schema["properties"][section], spellings.NAME)
    _name_keys(schema["properties"]["variables"], spellings.VARIABLE)
    _name_keys(schema["properties"]["outputs"], spellings.KEY)
    schema.pop("title", None)
    return {
        "$schema": DIALECT,
        "title": "herocloud stack file",
        **schema,
        "$defs": dict(sorted(blocks.items())),
    }


def _finish(block: dict[str, Any], *, literal: bool) -> None:
    needed = []
    for key, field in block["properties"].items():
        field.pop("title", None)
        field.pop("default", None)
        if field.pop("x-needed", False):
            needed.append(key)
        if not literal and key != "moved":
            block["properties"][key] = _allow_expression(field)
    if needed:
        block["required"] = needed
    block.pop("title", None)


def _allow_expression(schema: dict[str, Any]) -> dict[str, Any]:
    """Let an expression stand beside every value that is not a free text already; a mapping cannot come out of one."""
    if "anyOf" in schema:
        options = [_allow_expression(option) for option in schema["anyOf"]]
        flat = [inner for option in options for inner in option.get("anyOf", [option])]
        several = [option for number, option in enumerate(flat) if option not in flat[:number]]
        return {**{key: value for key, value in schema.items() if key != "anyOf"}, "anyOf": several}
    kind = schema.get("type")
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return {**schema, "additionalProperties": _allow_expression(schema["additionalProperties"])}
    if kind == "array":
        schema = {**schema, "items": _allow_expression(schema["items"])}
    takes_text = "pattern" not in schema and "string" in (kind if isinstance(kind, list) else [kind])
    if "$ref" in schema or kind in ("null", "object") or takes_text or not (kind or "enum" in schema):
        return schema
    outer = {key: schema.pop(key) for key in ("description",) if key in schema}
    return {**outer, "anyOf": [schema, _EXPRESSION]}


def _name_keys(schema: dict[str, Any], pattern: str) -> None:
    for option in schema.get("anyOf", [schema]):
        if option.get("type") == "object":
            option["propertyNames"] = {"pattern": pattern}
