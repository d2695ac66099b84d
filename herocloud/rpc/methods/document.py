"""The OpenRPC document, made from the table of methods and nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

import pydantic

import herocloud
from herocloud.kits.jsons import Json
from herocloud.rpc.calls.error_codes import ErrorCode
from herocloud.rpc.calls.method_table import Example, Method

OPENRPC = "1.3.2"
"""The newest version that the published meta-schema knows."""

_PLACE = "#/components/schemas/{model}"
_DESCRIPTION = (
    "Virtual machines on this host: slices, VMs, stacks that are planned and applied, snapshots, jobs and events. "
    "JSON-RPC 2.0 over HTTP on a unix socket: `POST /rpc`. Parameters go by name or by position; unknown ones are refused. "
    "Methods that can take longer than a second answer with a job; `wait_job` waits for its end."
)


def make(methods: Iterable[Method[Any]]) -> dict[str, Json]:
    """Return the document for these methods, in their order."""
    chosen = list(methods)
    adapters: list[tuple[str, Any, Any]] = []
    for method in chosen:
        adapters.append((f"{method.name}.params", "validation", pydantic.TypeAdapter(method.params)))
        adapters.append((f"{method.name}.result", "serialization", method.result))
    found, shared = pydantic.TypeAdapter.json_schemas(adapters, ref_template=_PLACE)
    schemas = dict(shared.get("$defs", {}))
    documents = []
    for method in chosen:
        params = _take_model(found[f"{method.name}.params", "validation"], schemas)
        result = found[f"{method.name}.result", "serialization"]
        documents.append(_method(method, params, result))
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "herocloud",
            "version": herocloud.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "methods": documents,
        "components": {"schemas": {name: _untitled(schemas[name], name) for name in sorted(schemas)}},
    }


def _untitled(schema: Json, name: str | None = None) -> Json:
    """Return a schema whose only titles are names of models.

    pydantic titles each field too (`Status`), and generators of clients would make one type of all that happen to be called alike.
    """
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    literal = ("default", "const", "enum", "examples")
    made = {key: value if key in literal else _untitled_parts(key, value) for key, value in kept.items()}
    return {**made, "title": name} if name is not None else made


def _untitled_parts(key: str, value: Json) -> Json:
    # The keys of `properties` are names of fields, of which one may be `title`.
    if key in ("properties", "$defs") and isinstance(value, dict):
        return {name: _untitled(one) for name, one in value.items()}
    return _untitled(value)


def _take_model(schema: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a method's parameters; it is a list in the document and not a type of its own."""
    name = str(schema["$ref"]).rpartition("/")[2]
    model: dict[str, Any] = schemas.pop(name)
    return model


def _method(method: Method[Any], params: Mapping[str, Any], result: Json) -> dict[str, Json]:
    properties: Mapping[str, Any] = params.get("properties", {})
    required = set(params.get("required", ()))
    # The specification wants required parameters first, and positions then mean the same to every client.
    names = sorted(properties, key=lambda name: name not in required)
    return {
        "name": method.name,
        "summary": method.summary,
        "description": method.description,
        "tags": [{"name": method.group}],
        "paramStructure": "either",
        "params": [_parameter(name, properties[name], required=name in required) for name in names],
        "result": {"name": f"{method.name}_result", "schema": _untitled(result)},
        "errors": [_error(kind) for kind in method.errors],
        "examples": [_example(method, example, names) for example in method.examples],
    }


def _parameter(name: str, schema: Mapping[str, Any], *, required: bool) -> dict[str, Json]:
    rest = _untitled({key: value for key, value in schema.items() if key != "description"})
    # Of `T | None` the words stand with the T.
    told = [schema, *schema.get("anyOf", ())]
    return {
        "name": name,
        "description": next((part["description"] for part in told if "description" in part), ""),
        "required": required,
        "schema": rest,
    }


def _error(kind: ErrorCode) -> dict[str, Json]:
    return {"code": kind.code, "message": kind.message}


def _example(method: Method[Any], example: Example, names: list[str]) -> dict[str, Json]:
    return {
        "name": example.name,
        "description": f"{method.summary} On the simulated host of the tests.",
        "params": [{"name": name, "value": example.params[name]} for name in names if name in example.params],
        "result": {"name": f"{method.name}_result", "value": example.result},
    }
