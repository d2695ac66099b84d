"""`slice list`, `slice show`."""

from typing import Annotated

import typer

from herocloud.cli import ending, showing
from herocloud.cli.invoking import Call
from herocloud.operations import machines


def list_slices(call: Call) -> int:
    """List the slices and who uses them."""
    from herocloud.views import listings

    found = machines.find(call.folder)
    ending.tell_diagnostics(call.screen, found.hosting.diagnostics, quiet=call.quiet)
    showing.show_listing(call, listings.slices(found.slices, found.owners))
    return ending.DONE


def show(call: Call, sid: Annotated[str, typer.Argument(metavar="SID", help="The slice, such as s1.")]) -> int:
    """Show one slice."""
    from herocloud.views import details, listings

    found = machines.find(call.folder)
    one = machines.find_slice(found, sid)
    showing.show(
        call,
        lambda: {"format_version": "1.0", **listings.slice_row(one, found.owners)},
        lambda: details.slice_text(one, found.owners, color=call.screen.color_out),
    )
    return ending.DONE
