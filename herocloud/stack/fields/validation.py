"""The models' verdict on a tree, in our words, and what is left of the tree without its mistakes.

Misspelt keys, put right before anything else looks at the tree. Only a load that found a mistake comes here, for its second look. A block
below a misspelt key is judged under the name that was meant, so that its own mistakes, and the references to what it declares, do not
wait for a second run or look wrong. A plain value is not: the key may have meant something else, and then the value would be wrong twice.

Refused values are taken out and the rest is validated again, so that the checks behind this one see everything that is sound.
"""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from herocloud.kits.yaml.tree import Path
from herocloud.stack import names
from herocloud.stack.fields import kinds, machines, surroundings
from herocloud.stack.fields.stack_file import StackFile
from herocloud.stack.findings import Findings
from herocloud.stack.pruned import Pruned

MODELS: Mapping[str, type[BaseModel]] = {"StackFile": StackFile, "VariablesOnly": surroundings.VariablesOnly, "Vm": machines.Vm}
"""What is validated as a whole."""


def straighten(tree: dict[str, Any], findings: Findings) -> dict[str, Any]:
    """Return a copy of a stack file's tree in which every key is known; reports those that are not."""
    copied: dict[str, Any] = unshare(tree)
    _walk(copied, copied, StackFile, (), findings)
    return copied


def unshare(value: Any) -> Any:
    """Copy a tree so that no two places of it are one: aliases make a value appear twice, and a mistake is taken out where it stands."""
    if isinstance(value, dict):
        return {key: unshare(inner) for key, inner in value.items()}
    return [unshare(inner) for inner in value] if isinstance(value, list) else value


def _walk(tree: Any, value: Any, kind: Any, path: Path, findings: Findings) -> None:
    kind = unwrap(kind)
    if isinstance(value, list) and get_origin(kind) is list:
        for number, inner in enumerate(value):
            _walk(tree, inner, get_args(kind)[0], (*path, number), findings)
    elif isinstance(value, dict) and get_origin(kind) is dict:
        for key, inner in value.items():
            _walk(tree, inner, get_args(kind)[1], (*path, key), findings)
    elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        for key in [key for key in value if key not in fields]:
            _put_right(tree, value, key, list(fields), path, findings)
        for key, inner in value.items():
            _walk(tree, inner, fields[key], (*path, key), findings)


def _put_right(tree: Any, value: dict[str, Any], key: str, valid: list[str], path: Path, findings: Findings) -> None:
    near = names.nearest(key, valid, findings)
    hint = f"did you mean `{near}`?" if near else "keys here are " + ", ".join(f"`{known}`" for known in valid)
    findings.add("unknown-key", (*path, key), f"`{key}` is not a key here.", hint, on_key=True)
    if near is not None and near not in value:
        if isinstance(value[key], dict | list):
            findings.pruned.rename(tree, (*path, key), near)
            return
        # The key that was meant is not missing; its value is unknown.
        findings.poison((*findings.pruned.original(path), near))
    del value[key]


_NOUNS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def validate(name: str, tree: Any, findings: Findings, instance_of: str | None = None) -> dict[str, Any]:
    """Return what the file says, normalised; mistakes go to `findings` and are left out. `gating` has the short way for sound trees."""
    model = MODELS[name]
    copied = False
    pruned = findings.pruned if instance_of is None else Pruned()
    while True:
        try:
            return dump(model.model_validate(tree))
        except ValidationError as failure:
            mistakes = failure.errors(include_url=False)
        if not copied:
            tree, copied = unshare(tree), True
        paths: dict[Path, None] = {}
        for mistake in mistakes:
            path = _existing(tree, tuple(mistake["loc"]))
            full = pruned.original(path)
            if instance_of is not None:
                full = findings.pruned.spelt(("vms", instance_of, *full))
            if path and pruned.was_renamed(path):
                findings.poison((*full[:-1], path[-1]))  # The misspelt key did not mean this one after all.
            else:
                report(mistake, full, findings)
            paths[path] = None
        pruned.remove(tree, list(paths))


def dump(block: BaseModel) -> dict[str, Any]:
    """Return the keys that were written, as plain values."""
    return block.model_dump(exclude_unset=True, exclude_none=True, by_alias=True, warnings="none")


def _existing(tree: Any, location: tuple[Any, ...]) -> Path:
    """Return the longest part of a location that the tree really holds: `lan` stands for `{network: lan}`, which has one part more."""
    path: Path = ()
    for part in location:
        if (isinstance(tree, dict) and part in tree) or (isinstance(tree, list) and isinstance(part, int) and part < len(tree)):
            tree = tree[part]
        else:
            break
        path = (*path, part)
    return path


def report(mistake: Any, path: Path, findings: Findings) -> None:
    """Turn one error of pydantic into a finding; `path` is that of the file."""
    findings.poison(path)
    code, detail, hint = _explain(mistake, path)
    findings.add(code, path, detail, hint, on_key=code == "unknown-key", is_original=True)


def _explain(mistake: Any, path: Path) -> tuple[str, str, str | None]:
    kind, value, context = mistake["type"], mistake["input"], mistake.get("ctx") or {}
    subject = _subject(path)
    if "detail" in context:
        return kind, context["detail"], context.get("hint")
    if kind == "extra_forbidden":
        # A second look will come, which does better with keys; see `straightening`.
        return "unknown-key", f"`{path[-1]}` is not a key here.", None
    if kind in _NOUNS:
        return "wrong-type", f"{subject} takes {_NOUNS[kind]}, not {kinds.show(value)}.", _type_hint(kind, value)
    if kind in {"greater_than_equal", "less_than_equal"}:
        low = "ge" in context
        return "out-of-range", f"{subject} is {value}; it has to be {context['ge' if low else 'le']} or {'more' if low else 'less'}.", None
    if kind in {"string_too_short", "string_too_long"}:
        bound = f"at least {context['min_length']}" if "min_length" in context else f"at most {context['max_length']}"
        return "bad-text", f"{subject} is {len(value)} characters long; {bound} are allowed.", None
    return "wrong-type", f"{subject} does not take {kinds.show(value)}.", None


def _subject(path: Path) -> str:
    words = [part for part in path if isinstance(part, str)]
    name = words[-1] if words else "file"
    return f"An item of `{name}`" if path and isinstance(path[-1], int) else f"`{name}`"


def _type_hint(kind: str, value: Any) -> str | None:
    if kind == "bool_type" and isinstance(value, str) and value.lower() in {"yes", "on", "y", "no", "off", "n"}:
        return f"write `{'true' if value.lower() in {'yes', 'on', 'y'} else 'false'}`; YAML 1.2 reads `{value}` as a text"
    if kind in {"int_type", "float_type"} and isinstance(value, str) and value.strip().isdigit():
        return f"write `{value.strip()}` without quotes"
    if kind == "string_type" and isinstance(value, int | float | bool):
        return "put it into quotes"
    if kind == "list_type" and not isinstance(value, dict | list) and value is not None:
        return f"write `[{value}]`"
    return None


def in_order(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return the fields of a block in the order in which people write them."""
    order = {name: rank for rank, name in enumerate(getattr(model, "written", ()))}
    return sorted(model.model_fields.items(), key=lambda item: order.get(item[0], -1))


def peel(kind: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the block behind a field's type, and whether it stands below names of the user's."""
    kind = unwrap(kind)
    many = get_origin(kind) is dict
    if many or get_origin(kind) is list:
        kind = unwrap(get_args(kind)[-1])
    return (kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None), many


def unwrap(kind: Any) -> Any:
    """Strip `| None` and `Annotated` from a type."""
    while True:
        arguments = get_args(kind)
        if hasattr(kind, "__metadata__"):
            kind = kind.__origin__
        elif type(None) in arguments:
            kind = next(argument for argument in arguments if argument is not type(None))
        else:
            return kind


def needed_keys(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the keys that a block has to have."""
    return {
        field.alias or name: field.description or ""
        for name, field in model.model_fields.items()
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("x-needed")
    }
