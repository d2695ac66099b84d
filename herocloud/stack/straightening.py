"""Misspelt keys, put right before anything else looks at the tree.

Only a load that found a mistake comes here, for its second look. A block below a misspelt key is judged under the name that was
meant, so that its own mistakes, and the references to what it declares, do not wait for a second run or look wrong. A plain
value is not: the key may have meant something else, and then the value would be wrong twice.
"""

from typing import Any, get_args, get_origin

from pydantic import BaseModel

from herocloud.stack import names, validating
from herocloud.stack.findings import Findings, Path


def straighten(tree: dict[str, Any], model: type[BaseModel], found: Findings) -> dict[str, Any]:
    """Return a copy of the tree in which every key is known; reports those that are not."""
    copied: dict[str, Any] = unshare(tree)
    _walk(copied, copied, model, (), found)
    return copied


def unshare(value: Any) -> Any:
    """Copy a tree so that no two places of it are one: aliases make a value appear twice, and a mistake is taken out where it stands."""
    if isinstance(value, dict):
        return {key: unshare(inner) for key, inner in value.items()}
    return [unshare(inner) for inner in value] if isinstance(value, list) else value


def _walk(tree: Any, value: Any, kind: Any, path: Path, found: Findings) -> None:
    kind = validating.unwrap(kind)
    if isinstance(value, list) and get_origin(kind) is list:
        for number, inner in enumerate(value):
            _walk(tree, inner, get_args(kind)[0], (*path, number), found)
    elif isinstance(value, dict) and get_origin(kind) is dict:
        for key, inner in value.items():
            _walk(tree, inner, get_args(kind)[1], (*path, key), found)
    elif isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
        for key in [key for key in value if key not in fields]:
            _put_right(tree, value, key, list(fields), path, found)
        for key, inner in value.items():
            _walk(tree, inner, fields[key], (*path, key), found)


def _put_right(tree: Any, value: dict[str, Any], key: str, valid: list[str], path: Path, found: Findings) -> None:
    near = names.nearest(key, valid, found)
    hint = f"did you mean `{near}`?" if near else "keys here are " + ", ".join(f"`{one}`" for one in valid)
    found.add("unknown-key", (*path, key), f"`{key}` is not a key here.", hint, on_key=True)
    if near is not None and near not in value:
        if isinstance(value[key], dict | list):
            found.pruned.rename(tree, (*path, key), near)
            return
        # The key that was meant is not missing; its value is unknown.
        found.poison((*found.pruned.original(path), near))
    del value[key]
