"""Writes what is published: `openrpc.json` from the methods, the client from `openrpc.json`, and what the models of stack files say."""

import json
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from herocloud.kits.jsons import Json

CLIENT = Path("herocloud/rpc/client")
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WIDTH = 110


def generate() -> dict[Path, str]:
    """Return every generated file with its content."""
    from herocloud.rpc.methods import all_methods
    from herocloud.rpc.wire import endpoints
    from herocloud.stack.fields import json_schema, shapes
    from herocloud.views import json_text

    document = all_methods.openrpc()
    return {
        Path("openrpc.json"): endpoints.dump(document).decode(),
        Path("docs/schemas/stack.schema.json"): json_text.dumps(json_schema.stack_schema()) + "\n",
        Path("herocloud/stack/fields/shapes.json"): shapes.render(),
        CLIENT / "schema_types.py": write_types(document),
        CLIENT / "error_types.py": write_errors(document),
        CLIENT / "sync_methods.py": write_methods(document, asynchronous=False),
        CLIENT / "async_methods.py": write_methods(document, asynchronous=True),
    }


def write_types(document: Mapping[str, Json]) -> str:
    """Return the answers of the daemon as typed dictionaries."""
    schemas = document["components"]["schemas"]
    lines = [_header("What the daemon answers."), "from typing import Any, Literal, NotRequired, TypedDict\n"]
    for name in schemas:
        schema = schemas[name]
        lines += ["", f"class {name}(TypedDict):", f'    """{_one_line(schema.get("description", name))}"""', ""]
        required = set(schema.get("required", ()))
        for field, inner in schema.get("properties", {}).items():
            kind = _quoted(type_of(inner), schemas)
            lines.append(f"    {field}: {kind if field in required else f'NotRequired[{kind}]'}")
            if "description" in inner:
                lines += _docstring(inner["description"], "    ")
        lines.append("")
    return "\n".join(lines)


def write_errors(document: Mapping[str, Json]) -> str:
    """Return one class for each error that a method declares."""
    errors = {error["code"]: error["message"] for method in document["methods"] for error in method["errors"]}
    errors |= {-32600: "Invalid Request", -32601: "Method not found", -32602: "Invalid params", -32603: "Internal error"}
    lines = [_header("Errors of the daemon by their codes."), "from herocloud.rpc.client.call_errors import CallError\n"]
    names = {}
    for code, message in sorted(errors.items(), reverse=True):
        names[code] = "".join(word.capitalize() for word in re.findall(r"[A-Za-z]+", message))
        lines += ["", f"class {names[code]}(CallError):", f'    """{message}."""', "", f"    code = {code}", ""]
    lines += ["", "BY_CODE: dict[int, type[CallError]] = {", *(f"    {code}: {name}," for code, name in names.items()), "}"]
    return "\n".join(lines) + "\n"


def write_methods(document: Mapping[str, Json], *, asynchronous: bool) -> str:
    """Return a class with one typed method for each of the daemon's."""
    schemas = document["components"]["schemas"]
    kind, verb = ("AsyncMethods", "async def") if asynchronous else ("SyncMethods", "def")
    bodies = [line for method in document["methods"] for line in _method(method, asynchronous=asynchronous)]
    text = "\n".join(bodies)
    used = sorted(name for name in schemas if re.search(rf"\b{name}\b", text))
    typing = ", ".join(name for name in ("Any", "Literal", "cast") if name == "Any" or re.search(rf"\b{name}\b", text))
    return "\n".join(
        [
            _header("The methods of the daemon."),
            "from abc import abstractmethod",
            "from collections.abc import Mapping",
            f"from typing import {typing}\n",
            f"from herocloud.rpc.client.schema_types import {', '.join(used)}\n\n",
            f"class {kind}:",
            '    """One method for each of the daemon\'s."""\n',
            "    @abstractmethod",
            f"    {verb} call(self, method: str, params: Mapping[str, Any]) -> Any:",
            '        """Call any method by its name."""',
            "",
            text,
            "",
        ]
    )


def _method(method: Mapping[str, Json], *, asynchronous: bool) -> Iterator[str]:
    name = method["name"].replace(".", "_")
    answer = type_of(method["result"]["schema"])
    parameters = []
    keys = []
    for parameter in method["params"]:
        own = f"{parameter['name']}_" if keyword.iskeyword(parameter["name"]) else parameter["name"]
        kind = type_of(parameter["schema"])
        keys.append(f'"{parameter["name"]}": {own}')
        if parameter["required"]:
            parameters.append(f"{own}: {kind}")
        else:
            # What a method is about, its first parameter, needs no name, as over the wire.
            if "*" not in parameters and parameters:
                parameters.append("*")
            default = parameter["schema"].get("default")
            # A list or a mapping as a default would be shared by all calls; nothing means the daemon's own default.
            missing = default is None or isinstance(default, list | dict)
            kind = kind if "None" in kind.split(" | ") or not missing else f"{kind} | None"
            parameters.append(f"{own}: {kind} = {None if missing else json_literal(default)}")
    prefix, awaits = ("async ", "await ") if asynchronous else ("", "")
    yield f"    {prefix}def {name}("
    yield f"        {', '.join(['self', *parameters])},"
    yield f"    ) -> {answer}:"
    yield f'        """{_one_line(method["summary"])}'
    if method["description"] != method["summary"]:
        yield ""
        yield from _lines(method["description"], "        ")
        yield '        """'
    else:
        yield '        """'
    given = "{" + ", ".join(keys) + "}"
    call = f'{awaits}self.call("{method["name"]}", {given})'
    yield f"        return {call}" if answer == "Any" else f"        return cast('{answer}', {call})"
    yield ""


def json_literal(value: Json) -> str:
    """Return a value as Python writes it."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def type_of(schema: Json) -> str:
    """Return the type of what a schema describes."""
    if not isinstance(schema, dict) or not schema:
        return "Any"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return f"Literal[{json_literal(schema['const'])}]"
    if "enum" in schema:
        return f"Literal[{', '.join(json_literal(value) for value in schema['enum'])}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(choice) for choice in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        return f"list[{type_of(schema.get('items'))}]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {type_of(inner) if isinstance(inner, dict) else 'Any'}]"
    return _SIMPLE.get(str(kind), "Any")


def _quoted(kind: str, schemas: Mapping[str, Json]) -> str:
    """Quote types of the same file, which may stand further down."""
    return f'"{kind}"' if any(re.search(rf"\b{name}\b", kind) for name in schemas) else kind


def _one_line(text: str) -> str:
    return " ".join(str(text).split()).replace("\\", "\\\\").replace('"""', "'''")


def _docstring(text: str, indent: str) -> list[str]:
    first, *rest = _lines(text, indent)
    return [f'{indent}"""{first.strip()}"""'] if not rest else [f'{indent}"""{first.strip()}', *rest[:-1], f'{rest[-1]}"""']


def _lines(text: str, indent: str) -> list[str]:
    found, line = [], ""
    for word in _one_line(text).split():
        if len(line) + len(word) > _WIDTH:
            found.append(f"{indent}{line}")
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*found, f"{indent}{line}"]


def _header(summary: str) -> str:
    return f'"""{summary} Generated from `openrpc.json` by `scripts/openrpc`; not edited by hand."""\n'


def format_python(text: str, root: Path) -> str:
    """Lay out a module as the repository does."""
    import subprocess

    ruff = root / ".venv" / "bin" / "ruff"
    done = subprocess.run([str(ruff), "format", "-q", "-"], input=text, capture_output=True, text=True, check=True, cwd=root)
    return done.stdout


def main(root: Path) -> None:
    """Write everything below a checkout."""
    for path, content in generate().items():
        text = format_python(content, root) if path.suffix == ".py" else content
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
