"""`schema`."""

from herocloud.cli import documents, ending
from herocloud.cli.invoking import Call


def schema(call: Call) -> int:
    """Print the JSON Schema of stack files, for editors."""
    from herocloud.operations import inspecting

    call.screen.result(documents.dumps(inspecting.schema()))
    return ending.DONE
