"""`state list`, `state show`, `state log`, `state diff`, `state lock`."""

from typing import Annotated

import typer

from herocloud.cli import ending, flags, preparing, showing
from herocloud.cli.invoking import Call
from herocloud.operations import reading

ADDRESS = Annotated[str, typer.Argument(metavar="ADDR", help="An address, such as vm.web[0].")]


def list_records(call: Call, stack: flags.Stack = None) -> int:
    """List the records."""
    from herocloud.views import listings

    recorded = reading.read_recorded(call.folder)
    showing.show_listing(call, listings.records(reading.records_of(recorded, preparing.choose_stack(call, stack))))
    return ending.DONE


def show_record(call: Call, address: ADDRESS, stack: flags.Stack = None) -> int:
    """Show one record in full."""
    from herocloud.views import details

    record = reading.find_record(reading.read_recorded(call.folder), address, preparing.choose_stack(call, stack))
    showing.show(call, lambda: details.record_document(record), lambda: details.record_text(record, color=call.screen.color_out))
    return ending.DONE


def log(call: Call, stack: flags.Stack = None) -> int:
    """List every change of the state, newest first."""
    from herocloud.views import listings

    showing.show_listing(call, listings.history(reading.history(call.folder, preparing.choose_stack(call, stack))))
    return ending.DONE


def diff(
    call: Call,
    before: Annotated[int, typer.Argument(metavar="A", help="A serial of `state log`.")],
    after: Annotated[int, typer.Argument(metavar="B", help="Another one.")],
    stack: flags.Stack = None,
) -> int:
    """Compare the state at two serials."""
    from herocloud.views import details

    sides = reading.compare(call.folder, before, after, preparing.choose_stack(call, stack))
    showing.show(call, lambda: details.serials_document(*sides), lambda: details.serials_text(*sides))
    return ending.DONE


def lock(call: Call) -> int:
    """Tell who holds the lock of the state."""
    from herocloud.views import details

    holder = reading.holder(call.folder)
    showing.show(call, lambda: details.holder_document(holder), lambda: details.holder_text(holder, color=call.screen.color_out))
    return ending.DONE
