"""Bringing VMs back after a reboot of the host: planned, journalled, and said, by the daemon or by the boot unit."""

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from herocloud.model.applies import Begun, Caller
from herocloud.model.errors import HerocloudError, Refused
from herocloud.model.outcomes import Event
from herocloud.model.plans import Plan
from herocloud.operations import apply, host_boot, stack_plans
from herocloud.operations.apply import Applied
from herocloud.rpc.jobs import work
from herocloud.state import holders

Told = Callable[[str], None]
DAEMON = Caller("daemon", "boot")


def bring_back(folder: Path, note: Told, caller: Caller = DAEMON) -> list[str]:
    """Bring back every stack that this boot asks for; returns those where it failed. One that fails does not keep the next from it."""
    boot_id = holders.read_boot_id()
    due = host_boot.find_due(folder, boot_id)
    if not due.booted:
        note("The host has not booted since VMs were last brought back.")
        return []
    failed: list[str] = []
    for stack in due.stacks:
        try:
            plan = functools.partial(host_boot.plan_boot, folder, stack)
            planned = plan()
            if not stack_plans.changes_something(planned.plan):
                continue
            applied = apply.run_made(folder, planned, plan, work.how_for_watch(_watch, caller), work.Decided(lambda _planned: None))
        except HerocloudError as error:
            failed.append(stack)
            reason = "; ".join(diagnostic.detail for diagnostic in error.diagnostics) if isinstance(error, Refused) else str(error)
            note(f"stack {stack}: {reason}")
        else:
            if applied.result is not None and (applied.result.failed or applied.result.interrupted):
                failed.append(stack)
            note(f"stack {stack}: {_tell(applied)}")
    if not failed:
        host_boot.settle(folder, boot_id)
    return failed


def _tell(applied: Applied) -> str:
    """Say in a line what came of a stack."""
    result, plan = applied.result, applied.plan
    if result is None or plan is None:
        return "somebody else has brought it back meanwhile"
    if result.failed or result.interrupted:
        reasons = "; ".join(f"{one.address}: {one.error}" for one in result.outcomes if one.error)
        return f"not all of it was brought back: {reasons or 'interrupted'}"
    off = [change.address for change in plan.changing if change.kind == "vm" and change.after and change.after.get("state") != "running"]
    back = ", ".join(change.address for change in plan.changing if change.address not in off)
    stayed = f"; {', '.join(off)} stayed off" if off else ""
    return f"brought back {back or 'nothing'}{stayed}"


@contextlib.contextmanager
def _watch(_plan: Plan, _finished: Collection[str], _begun: Begun) -> Iterator[Callable[[Event], None]]:
    yield lambda _event: None
