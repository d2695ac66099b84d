"""`vm list`, `vm show`."""

from typing import Annotated

import typer

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import reading

VM = Annotated[str, typer.Argument(metavar="VM", help="The VM: `web[0]`, `vm.web[0]`, or its sid.")]


def list_vms(call: Call, stack: flags.Stack = None) -> int:
    """List the VMs."""
    from herocloud.views import listings

    recorded = reading.read_recorded(call.folder)
    seen = reading.see(call.folder, recorded, preparing.choose_stack(call, stack))
    showing.show_listing(call, listings.vms(seen.records, seen.things))
    return ending.DONE


def show(call: Call, name: VM, stack: flags.Stack = None) -> int:
    """Show one VM."""
    from herocloud.views import details

    recorded = reading.read_recorded(call.folder)
    record = reading.find_record(recorded, name, preparing.choose_stack(call, stack), kind="vm")
    things = reading.see(call.folder, recorded, record.stack).things
    showing.show(call, lambda: details.vm_document(record, things), lambda: details.vm_text(record, things, color=call.screen.color_out))
    return ending.DONE
