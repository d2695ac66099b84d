"""JSON as it is printed: two spaces, keys in the order in which a reader wants them."""

from herocloud.kits.jsons import Json

FORMAT_VERSION = "1.0"


def dumps(value: Json) -> str:
    """Write a document for stdout."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False)
