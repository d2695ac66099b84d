"""`state orphans`, `state adopt`, `state gc`."""

import time
from typing import Annotated

from herocloud.cli import applying, cleaning, ending, flags, preparing, showing
from herocloud.cli.commands.state_reading import ADDRESS
from herocloud.cli.invoking import Call
from herocloud.operations import adopting
from herocloud.operations import cleaning as operation


def orphans(call: Call, stack: flags.Stack = None) -> int:
    """List what carries our mark and no record owns."""
    from herocloud.views import listings

    found = [one for one in operation.find_orphans(call.folder) if stack is None or one.thing.stack == stack]
    showing.show_listing(call, listings.orphans([one.thing for one in found]))
    foreign = sum(1 for one in found if one.foreign)
    if foreign:
        call.note(f"{foreign} of them carry the mark of another state and may have an owner there.")
    return ending.DONE


def adopt(
    call: Call, address: ADDRESS, variables: flags.Variables, approval: flags.Approving, running: flags.Executing, stack: flags.Stack = None
) -> int:
    """Take an orphan back into the records.

    What it shall be comes from the stack file, or from the last record that this state had of it.
    """
    sources = preparing.make_sources(call, variables)
    return applying.run_planned(call, approval, running, lambda: adopting.plan_adopt(call.folder, address, stack, sources))


def gc(
    call: Call,
    *,
    approval: flags.Approving,
    running: flags.Executing,
    everything: Annotated[bool, flags.option("--all", variable="", help="Also deleted data whose time has not passed yet.")] = False,
    foreign: Annotated[bool, flags.option("--foreign", variable="", help="Also what carries the mark of another state.")] = False,
    purge: Annotated[bool, flags.switch("--purge", help="Remove the data of orphans at once instead of keeping it for a time.")] = False,
) -> int:
    """Remove orphans and deleted data that is still kept.

    Lists first what would go, and removes it once that is approved (class `destroy`).
    """
    litter = operation.find_litter(call.folder, everything=everything, foreign=foreign, purge=purge, now=time.time())
    return cleaning.clean(call, litter, approval, running)
