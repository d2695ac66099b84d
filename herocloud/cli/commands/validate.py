"""`validate`."""

from pathlib import Path
from typing import Annotated

from herocloud.cli import documents, ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import inspecting


def validate(
    call: Call,
    variables: flags.Variables,
    sarif: Annotated[Path | None, flags.option("--sarif", metavar="FILE", help="Write the findings as SARIF.")] = None,
) -> int:
    """Check the stack files and show every finding."""
    from herocloud.views import diagnostics

    found = inspecting.validate(call.folder, preparing.make_sources(call, variables))
    good = not any(one.is_error for one in found)
    if sarif is not None:
        from herocloud.views import sarif as log

        showing.write(sarif, log.render(log.diagnostics_document(found)))
    if call.json:
        call.screen.result(documents.dumps(diagnostics.documents(found)))
    else:
        ending.tell_diagnostics(call.screen, found, quiet=call.quiet)
        if good:
            call.screen.result("The stack is valid.")
    return ending.DONE if good else ending.ERROR
