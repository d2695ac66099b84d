"""`output`."""

from typing import Annotated

import typer

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.kits import names
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import reading


def output(
    call: Call,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this output, as it is.")] = None,
    stack: flags.Stack = None,
) -> int:
    """Show the outputs of the stack."""
    from herocloud.views import details, results

    recorded = reading.read_recorded(call.folder)
    outputs = reading.outputs_of(recorded, reading.require_stack(recorded, preparing.choose_stack(call, stack)))
    if name is None:
        showing.show(call, lambda: details.outputs_document(outputs), lambda: results.outputs_text(outputs) or "The stack has no outputs.")
        return ending.DONE
    if name not in outputs:
        close = names.nearest(name, outputs)
        known = ", ".join(f"`{one}`" for one in sorted(outputs)) or "none"
        hint = f"did you mean `{close}`?" if close else f"outputs: {known}"
        raise Refused([Diagnostic("unknown-output", "No such output", f"The stack has no output `{name}`.", hint=hint)])
    value = outputs[name]
    showing.show(call, lambda: value, lambda: value if isinstance(value, str) else _plain(value))
    return ending.DONE


def _plain(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
