"""The kinds of values that fields take: sizes, rates, names and the like, each with its JSON Schema and its own words for errors.

A kind is a plain validator and not a chain of pydantic's own, because pydantic reports a union or a chain as several errors, and a
mistake has to give one diagnostic.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from herocloud.kits import nearest, sizes
from herocloud.kits.jsons import Json
from herocloud.kits.yaml import scalars
from herocloud.stack.fields import spellings


class Block(BaseModel):
    """One mapping of the file: unknown keys are errors, and nothing is converted behind the user's back (`vcpus: "4"` is a text)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Kind:
    """A validator, its JSON Schema and its shape for the gate, to stand in an `Annotated`."""

    def __init__(self, validate: Callable[[Any], Any], schema: dict[str, Any], shape: Json) -> None:
        """Keep the three together."""
        self.validate = validate
        self.schema = schema
        self.shape = shape

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Replace pydantic's own validation of the type."""
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON Schema."""
        return dict(self.schema)


def wrong(code: str, detail: str, hint: str | None = None) -> PydanticCustomError:
    """Return an error that carries one of our codes and our words."""
    return PydanticCustomError(code, "{detail}", {"detail": detail, "hint": hint})


def needed(description: str, **constraints: Any) -> Any:
    """Declare a key that has to be there."""
    return Field(default=None, description=description, json_schema_extra={"x-needed": True}, **constraints)


def optional(description: str, **constraints: Any) -> Any:
    """Declare a key that may be left out; `null` means the same."""
    return Field(default=None, description=description, **constraints)


def show(value: Any) -> str:
    """Write a value from the file for a message, short enough for one line."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    text = str(getattr(value, "text", value)).replace("\n", " ")
    return f"`{text[:57]}…`" if len(text) > 60 else f"`{text}`"


def begin(value: Any) -> str:
    """Write a value at the beginning of a sentence."""
    shown = show(value)
    return shown[0].upper() + shown[1:]


def _measured(read: Callable[[str], Any], code: str, noun: str, like: str, *, least: int = 1) -> Callable[[Any], Any]:
    def validate(value: Any) -> Any:
        if least == 0 and value == 0 and not isinstance(value, bool):
            return 0
        if isinstance(value, str) and len(value) > spellings.LONGEST:
            raise wrong(code, f"{begin(value)} is not {noun}.", f"write it like `{like}`")
        if isinstance(value, str):
            try:
                number = read(value)
            except sizes.NotASize as error:
                raise wrong(code, f"{error}.", error.hint) from None
            if number < least:
                raise wrong(code, f"`{value}` is nothing at all.", f"write more than zero, like `{like}`")
            return number
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise wrong(code, f"{show(value)} has no unit.", f"write {noun} with its unit, like `{like}`")
        raise wrong("wrong-type", f"{begin(value)} stands where {noun} belongs.", f"write it like `{like}`")

    return validate


Size = Annotated[
    int,
    Kind(
        _measured(sizes.parse_size, "bad-size", "a size", "4 GiB"),
        {"type": "string", "pattern": spellings.SIZE, "examples": ["512 MiB", "4 GiB", "2 TiB"]},
        "size",
    ),
]
Room = Annotated[
    int,
    Kind(
        _measured(sizes.parse_size, "bad-size", "a size", "4 GiB", least=0),
        {"anyOf": [{"type": "string", "pattern": spellings.SIZE}, {"const": 0}], "examples": ["4 GiB", 0]},
        "room",
    ),
]
"""A size, or none at all."""
Rate = Annotated[
    int,
    Kind(
        _measured(sizes.parse_rate, "bad-rate", "a rate", "100 Mbit/s"),
        {"type": "string", "pattern": spellings.RATE, "examples": ["100 Mbit/s", "250 MB/s"]},
        "rate",
    ),
]


Duration = Annotated[
    int,
    Kind(
        _measured(sizes.parse_seconds, "bad-duration", "a duration", "1 d"),
        {"type": "string", "pattern": spellings.DURATION, "examples": ["30 min", "6 h", "1 d"]},
        "duration",
    ),
]
"""In whole seconds."""


def _as_written(value: Any) -> str:
    text = scalars.as_text(value)
    if text is None:
        hint = f'put it into quotes: `"{str(value).lower()}"`' if isinstance(value, bool) else None
        raise wrong("wrong-type", f"{begin(value)} stands where a text belongs.", hint)
    return text


Text = Annotated[str, Kind(_as_written, {"type": ["string", "number"]}, "text")]
"""A text, or a number that is kept exactly as it was written."""


def matching(pattern: str, code: str, detail: str, hint: str, *, numbers: bool = False) -> Kind:
    """Return a kind of text that has to match `pattern`; `{}` in `detail` stands for what was written. `numbers` may go without quotes."""
    import re

    compiled = re.compile(pattern)

    def validate(value: Any) -> str:
        text = _as_written(value)
        if not compiled.fullmatch(text):
            raise wrong(code, detail.format(show(text)), hint)
        return text

    return Kind(validate, {"type": ["string", "integer"] if numbers else "string", "pattern": pattern}, ["like", pattern])


def choice(*words: str) -> Kind:
    """Return a kind that takes one of a few words."""
    listed = ", ".join(f"`{word}`" for word in words[:-1]) + f" or `{words[-1]}`"

    def validate(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        near = nearest.nearest(value, words) if isinstance(value, str) else None
        raise wrong("bad-choice", f"{begin(value)} is not one of {listed}.", f"did you mean `{near}`?" if near else None)

    return Kind(validate, {"enum": list(words)}, ["words", *words])


class Short:
    """Lets a bare text stand for a mapping with one key: `lan` for `{network: lan}`."""

    def __init__(self, key: str) -> None:
        """Take the key that the text is for."""
        self.key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the mapping's own validation."""
        return core_schema.no_info_before_validator_function(self._lengthen, handler(source))

    def _lengthen(self, value: Any) -> Any:
        return {self.key: value} if isinstance(value, str) else value

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow both forms."""
        return {"anyOf": [{"type": "string"}, handler(schema)]}


class OneOrMore:
    """Lets one text stand for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the list's own validation."""
        return core_schema.no_info_before_validator_function(lambda value: [value] if isinstance(value, str) else value, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow both forms."""
        inner = handler(schema)
        return {"anyOf": [inner["items"], inner]}


class Entry:
    """What stands below a name of the user's: nothing at all means an empty mapping."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the mapping's own validation."""
        return core_schema.no_info_before_validator_function(lambda value: {} if value is None else value, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow nothing."""
        return {"anyOf": [handler(schema), {"type": "null"}]}


class Switch:
    """Lets `true` stand for an empty mapping; `false` stays what it is, because it takes back what `defaults` say."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Wrap the mapping's own validation."""
        return core_schema.no_info_wrap_validator_function(self._switch, handler(source))

    def _switch(self, value: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(value, bool):
            return handler({}) if value else False
        if value is None or isinstance(value, dict):
            return handler(value)
        raise wrong("wrong-type", f"{begin(value)} stands where `true`, `false` or a mapping belongs.", None)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow both forms."""
        return {"anyOf": [{"type": "boolean"}, handler(schema)]}
