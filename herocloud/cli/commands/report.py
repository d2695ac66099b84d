"""`report`."""

import time
from pathlib import Path
from typing import Annotated

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import reporting


def report(
    call: Call,
    out: Annotated[
        Path | None, flags.option("--out", "-o", variable="", metavar="FILE", help="Where to write the page; report.html.")
    ] = None,
    stack: flags.Stack = None,
) -> int:
    """Write an HTML report of what is recorded and observed."""
    from herocloud.reports import html

    target = out or Path("report.html")
    found = reporting.gather(call.folder, preparing.choose_stack(call, stack))
    page = html.render_state(found.host, found.records, found.things, drift=found.drift, history=found.history, generated=time.time())
    showing.write(target, page)
    showing.show(call, lambda: {"format_version": "1.0", "file": str(target)}, lambda: f"Wrote {target}.")
    return ending.DONE
