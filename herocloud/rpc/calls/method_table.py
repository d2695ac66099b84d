"""Methods as plain typed functions with declared errors, and the table of them that dispatch and document are made from.

    @declare("slices", errors=(NOT_FOUND,), example=Example({"slice_sid": "s1"}, {...}))
    def get_slice(desk: Desk, slice_sid: SliceSid) -> SliceInfo:
        \"\"\"Return one slice.\"\"\"

The signature is the only place that says what a method takes and gives: validation, schemas, document and client follow from it.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints

import pydantic

from herocloud.kits.jsons import Json
from herocloud.rpc.calls.error_codes import INVALID_PARAMS, ErrorCode, RpcError

Desk = TypeVar("Desk")
"""What methods work with; the first parameter of each. The table does not look inside."""


class Example(NamedTuple):
    """A call that works on the simulated host of the tests, with what it answers there."""

    params: Mapping[str, Json]
    result: Json
    name: str = "usual"


@dataclass(frozen=True)
class Method(Generic[Desk]):
    """One method."""

    name: str
    function: Callable[..., Any]
    group: str
    params: type[pydantic.BaseModel]
    result: pydantic.TypeAdapter[Any]
    errors: tuple[ErrorCode, ...]
    summary: str
    description: str
    examples: tuple[Example, ...]
    quick: bool = False
    """Whether it computes less than a millisecond and waits for nothing: it is answered at once, and not by another thread."""

    def check(self, given: Sequence[Json] | Mapping[str, Json]) -> pydantic.BaseModel:
        """Return the parameters as the function takes them; raises what is wrong with them."""
        named = self._name(given) if isinstance(given, Sequence) else given
        try:
            return self.params.model_validate(named)
        except pydantic.ValidationError as error:
            raise RpcError(INVALID_PARAMS, _explain(error)) from None

    def run(self, desk: Desk, checked: pydantic.BaseModel) -> Any:
        """Run the function with checked parameters."""
        values = {name if name != "from" else "from_": getattr(checked, name) for name in type(checked).model_fields}
        return self.function(desk, **values)

    def write(self, answer: Any) -> Json:
        """Return what the function returned as JSON values."""
        return self.result.dump_python(answer, mode="json")

    def named(self, given: Sequence[Json] | Mapping[str, Json]) -> Mapping[str, Json]:
        """Return parameters by their names, unchecked, as many as there are."""
        return dict(zip(self.params.model_fields, given, strict=False)) if isinstance(given, Sequence) else given

    def _name(self, given: Sequence[Json]) -> Mapping[str, Json]:
        names = list(self.params.model_fields)
        if len(given) > len(names):
            detail = f"`{self.name}` takes {len(names)} parameters, and {len(given)} were given."
            finding = {"loc": [len(names)], "type": "too_many", "msg": detail}
            raise RpcError(INVALID_PARAMS, {"errors": [finding], "diagnostics": [_diagnose(finding)]})
        return self.named(given)


Declared = Callable[[Callable[..., Any]], Method[Any]]


def declare(
    group: str, *, example: Example, errors: Iterable[ErrorCode] = (), more: Iterable[Example] = (), quick: bool = False
) -> Declared:
    """Turn a function into a method; its name, parameters, result and description are those of the function."""

    def make(function: Callable[..., Any]) -> Method[Any]:
        hints = get_type_hints(function, include_extras=True)
        fields: dict[str, Any] = {}
        for parameter in list(inspect.signature(function).parameters.values())[1:]:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            # `from` is what callers say, and a keyword of Python; its function takes `from_`.
            fields[parameter.name.rstrip("_")] = (hints[parameter.name], default)
        config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)
        params = pydantic.create_model(f"{function.__name__}_params", __config__=config, **fields)
        documentation = inspect.getdoc(function)
        if documentation is None:
            msg = f"{function.__name__} has no docstring, and the document needs one"
            raise TypeError(msg)
        summary, _, rest = documentation.partition("\n\n")
        return Method(
            name=function.__name__,
            function=function,
            group=group,
            params=params,
            result=pydantic.TypeAdapter(hints["return"]),
            errors=tuple(errors),
            summary=" ".join(summary.split()),
            description=" ".join((rest or summary).split()),
            examples=(example, *more),
            quick=quick,
        )

    return make


def collect(methods: Iterable[Method[Any]]) -> Mapping[str, Method[Any]]:
    """Make the table; a name can stand in it once."""
    table: dict[str, Method[Any]] = {}
    for method in methods:
        if method.name in table:
            msg = f"two methods are called `{method.name}`"
            raise ValueError(msg)
        table[method.name] = method
    return table


def _explain(error: pydantic.ValidationError) -> dict[str, Json]:
    # Without the input: it may be a secret, and it is the caller's own anyway.
    found = [
        {"loc": list(detail["loc"]), "type": detail["type"], "msg": detail["msg"]}
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return {"errors": found, "diagnostics": [_diagnose(finding) for finding in found]}


def _diagnose(finding: Mapping[str, Any]) -> dict[str, Json]:
    place = ".".join(str(key) for key in finding["loc"]) or "params"
    return {
        "severity": "error",
        "code": "invalid-parameter",
        "summary": "Invalid parameter",
        "detail": f"`{place}`: {finding['msg']}.".replace("..", "."),
        "address": None,
        "range": None,
        "snippet": None,
        "hint": "`rpc.discover` lists every method with its parameters",
    }
