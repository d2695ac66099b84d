"""Snapshots of VMs: `vm snapshot create`, `list`, `show`, `restore`, `delete`."""

import time
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, presentation, requests
from herocloud.cli.command import Call
from herocloud.cli.commands.vms import VM
from herocloud.operations import snapshot_requests as snapshots

SNAPSHOT = Annotated[str, flags.argument(metavar="SNAPSHOT", help="The name of the snapshot.")]
_NAMED = flags.Approving(auto_approve=True)


def create(
    call: Call,
    *,
    names: Annotated[list[str], flags.argument(metavar="VM...", help="The VMs: `web[0]`, `vm.web[0]`, or their sids.")],
    running: flags.Executing,
    name: Annotated[str | None, flags.option("--name", variable="", metavar="NAME", help="What it is called; the time by default.")] = None,
    memory: Annotated[bool, flags.switch("--memory", variable="", help="Keep what the VM has in memory too.")] = False,
    together: Annotated[
        bool, flags.switch("--together", variable="", help="Hold all VMs, copy all, then let all go on: one moment for all of them.")
    ] = False,
    stack: flags.Stack = None,
) -> int:
    """Take a snapshot of VMs.

    A VM that runs is paused while its disks are copied, and goes on whatever becomes of the copies.
    """
    wanted = snapshots.Wanted(tuple(names), requests.choose_stack(call, stack), name, memory, together)
    now = time.time()
    code = exit_codes.DONE
    for planned in snapshots.plan_create(call.folder, wanted, now):
        mine = planned.plan.stack
        ran = apply_flow.run_planned(
            call,
            _NAMED,
            running,
            lambda mine=mine: next(  # type: ignore[misc]
                planned_stack for planned_stack in snapshots.plan_create(call.folder, wanted, now) if planned_stack.plan.stack == mine
            ),
            one_vm=True,
        )
        code = code or ran
    return code


def list_snapshots(
    call: Call,
    names: Annotated[list[str] | None, flags.argument(metavar="[VM]...", help="The VMs; all of them when none is named.")] = None,
    stack: flags.Stack = None,
) -> int:
    """List the snapshots of VMs."""
    from herocloud.views import snapshot_views

    found = snapshots.list_all(call.folder, names or (), requests.choose_stack(call, stack))
    presentation.show_listing(call, snapshot_views.listing(found))
    return exit_codes.DONE


def show(call: Call, vm: VM, snapshot: SNAPSHOT, stack: flags.Stack = None) -> int:
    """Show one snapshot."""
    from herocloud.views import snapshot_views

    found = snapshots.find(call.folder, vm, snapshot, requests.choose_stack(call, stack))
    presentation.show(call, lambda: snapshot_views.document(found), lambda: snapshot_views.text(found, color=call.screen.color_out))
    return exit_codes.DONE


def restore(
    call: Call,
    *,
    vm: VM,
    snapshot: SNAPSHOT,
    approval: flags.Approving,
    running: flags.Executing,
    memory: Annotated[
        bool, flags.option("--memory/--no-memory", variable="", help="Go on where the VM was, if the snapshot holds memory; it does.")
    ] = True,
    stack: flags.Stack = None,
) -> int:
    """Put what a snapshot holds in the place of what the VM has.

    What the VM has now is kept for a time, like all deleted data, and `undo` brings it back.
    """
    mine, now = requests.choose_stack(call, stack), time.time()
    return apply_flow.run_planned(
        call, approval, running, lambda: snapshots.plan_restore(call.folder, vm, snapshot, mine, now, memory=memory), one_vm=True
    )


def delete(
    call: Call,
    *,
    vm: VM,
    names: Annotated[list[str], flags.argument(metavar="SNAPSHOT...", help="The names of the snapshots.")],
    approval: flags.Approving,
    running: flags.Executing,
    purge: Annotated[bool, flags.switch("--purge", help="Remove its data at once instead of keeping it for a time.")] = False,
    stack: flags.Stack = None,
) -> int:
    """Delete snapshots of a VM."""
    mine = requests.choose_stack(call, stack)
    return apply_flow.run_planned(
        call, approval, running, lambda: snapshots.plan_delete(call.folder, vm, names, mine, purge=purge), one_vm=True
    )
