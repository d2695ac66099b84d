"""JSON as commands print it: two spaces, keys in the order in which a reader wants them."""

from herocloud.kits.jsons import Json


def dumps(value: Json) -> str:
    """Write a document for stdout."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
