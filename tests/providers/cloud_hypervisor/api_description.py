"""The OpenAPI file of Cloud Hypervisor, where it is at hand: exchanges with the program are held against it.

The file belongs to Cloud Hypervisor and is not part of this repository. `HEROCLOUD_CLOUD_HYPERVISOR_API` names it; otherwise it is looked
for in `shared/reference` beside the checkout. Where it contradicts the program's source, `scripts/cloud-hypervisor-models` says what is
right, and `_BEYOND` names what the program answers besides.
"""

import functools
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jsonschema
import yaml

VARIABLE = "HEROCLOUD_CLOUD_HYPERVISOR_API"
MISSING = f"needs the OpenAPI file of Cloud Hypervisor; {VARIABLE} names it"
MAJOR = 53
"""The release that the file describes."""
_ROOT = Path(__file__).resolve().parents[3]
_USUAL = _ROOT.parent / "shared" / "reference" / "cloud-hypervisor-v53.0.yaml"

_BEYOND = {
    # Settings for developers, which the program shows and the file leaves out.
    "DiskConfig": {"disable_io_uring": {"type": "boolean"}, "disable_aio": {"type": "boolean"}},
    "DeviceNode": {"parent": {"type": "string"}},
    "CpusConfig": {"profile": {"type": "string"}},
    # Of limits alone, what is not set is shown as nothing.
    "TokenBucket": {"one_time_burst": {"type": ["integer", "null"]}},
    "RateLimiterConfig": {
        name: {"anyOf": [{"$ref": "#/components/schemas/TokenBucket"}, {"type": "null"}]} for name in ("bandwidth", "ops")
    },
}
"""Fields that the program answers and the file does not name, or knows otherwise."""
_WITHOUT_BODY = {"vmm.shutdown"}
"""Calls that answer 200 without a body, where the file says 204."""
_FULL = 503
"""What the server answers before the API sees a request."""


class Exchange(NamedTuple):
    """One request and its answer."""

    method: str
    call: str
    body: Any
    status: int
    text: str


def find() -> Path | None:
    """Return the file, where it is at hand."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _USUAL
    return path if path.exists() else None


def models_script() -> ModuleType:
    """Load the script that writes the models: its corrections are those of the file."""
    path = _ROOT / "scripts" / "cloud-hypervisor-models"
    loader = SourceFileLoader("cloud_hypervisor_models", str(path))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))  # type: ignore[arg-type]
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


class Description:
    """What the file says of each call."""

    def __init__(self, path: Path) -> None:
        text = yaml.safe_load(path.read_text(encoding="utf-8"))
        schemas = text["components"]["schemas"]
        models_script().correct(schemas)
        self._schemas = {name: dict(_plain(schema, _BEYOND.get(name, {}))) for name, schema in schemas.items()}
        self._calls = {
            (method.upper(), name.removeprefix("/")): said for name, paths in text["paths"].items() for method, said in paths.items()
        }

    @property
    def calls(self) -> set[str]:
        """Name every call."""
        return {call for _, call in self._calls}

    def mistakes(self, exchange: Exchange) -> Iterator[str]:
        """Say what of an exchange is not as the file says."""
        said = self._calls.get((exchange.method, exchange.call))
        if said is None:
            yield f"{exchange.method} {exchange.call} is no call of the API"
            return
        yield from (f"request {exchange.call}: {what}" for what in self._of_request(said, exchange.body))
        yield from (f"answer {exchange.status} of {exchange.call}: {what}" for what in self._of_answer(said, exchange))

    def _of_request(self, said: Any, body: Any) -> Iterator[str]:
        wanted = said.get("requestBody")
        if wanted is None:
            yield from () if body is None else ("has a body, and takes none",)
        else:
            yield from self._hold(wanted["content"], body)

    def _of_answer(self, said: Any, exchange: Exchange) -> Iterator[str]:
        if exchange.status >= 300:
            yield from () if exchange.status == _FULL else self._of_error(exchange.text)
            return
        if exchange.call in _WITHOUT_BODY:
            yield from () if exchange.status == 200 and not exchange.text else ("is to be 200 without a body",)
            return
        answers = {int(status): answer for status, answer in said["responses"].items()}
        if exchange.status not in answers:
            yield f"is not one of {sorted(answers)}"
        elif "content" not in answers[exchange.status]:
            yield from () if not exchange.text else ("has a body, and the file names none",)
        else:
            yield from self._hold(answers[exchange.status]["content"], json.loads(exchange.text))

    @staticmethod
    def _of_error(text: str) -> Iterator[str]:
        chain = json.loads(text)
        if not isinstance(chain, list) or not chain or not all(isinstance(message, str) for message in chain):
            yield "is no list of messages"

    def _hold(self, content: Any, value: Any) -> Iterator[str]:
        schema = _plain(content["application/json"]["schema"], {})
        whole = {**schema, "components": {"schemas": self._schemas}}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            yield f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message}"


@functools.cache
def description() -> Description | None:
    """Return what the file says, where it is at hand."""
    path = find()
    return None if path is None else Description(path)


def _plain(schema: Any, more: dict[str, Any]) -> Any:
    """Turn a schema of the file into JSON Schema: a field that is not named is a mistake, because the program would ignore it."""
    if not isinstance(schema, dict):
        return schema
    made = {name: _plain(value, {}) for name, value in schema.items() if name not in ("description", "example", "format", "default")}
    if made.get("type") == "any":
        del made["type"]
    properties = schema.get("properties")
    if properties is not None:
        made["properties"] = {name: _plain(value, {}) for name, value in {**properties, **more}.items()}
        told = {name: value["x-required"] for name, value in properties.items() if isinstance(value, dict) and "x-required" in value}
        needed = {*schema.get("required", ()), *(name for name, needed in told.items() if needed)}
        made["required"] = sorted(needed - {name for name, needed in told.items() if not needed})
        made.setdefault("additionalProperties", False)
    return made
