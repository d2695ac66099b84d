"""`export`."""

from typing import Annotated

import typer

from herocloud.cli import ending, flags, preparing
from herocloud.cli.invoking import Call
from herocloud.operations import exporting


def export(
    call: Call,
    *,
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDR]...", help="Only these addresses, and what they need.")] = None,
    host: Annotated[bool, flags.option("--host", variable="", help="Every stack on this host, one document each.")] = False,
    stack: flags.Stack = None,
) -> int:
    """Write the YAML of what exists; planning it again changes nothing."""
    chosen = None if host else preparing.choose_stack(call, stack)
    texts = exporting.export(call.folder, chosen, tuple(addresses or ()))
    if call.json:
        from herocloud.cli import documents

        call.screen.result(documents.dumps({"format_version": "1.0", "stacks": dict(texts)}))
    else:
        call.screen.raw_result("---\n".join(text for _, text in texts))
    return ending.DONE
