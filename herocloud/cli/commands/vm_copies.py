"""VMs made from the disks of others: `vm clone`."""

import time
from collections.abc import Callable
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, requests
from herocloud.cli.command import Call
from herocloud.cli.commands.vms import VM
from herocloud.operations import clone_requests as clones
from herocloud.operations import lookups, stack_plans
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.clone_requests import CloneWanted

_NAMED = flags.Approving(auto_approve=True)
Slices = Annotated[
    list[str] | None, flags.option("--slice", variable="", metavar="SID", help="The slices to use (repeatable); the lowest free ones.")
]


def clone(
    call: Call,
    *,
    vm: VM,
    name: Annotated[str, flags.argument(metavar="NAME", help="What the new VM is called.")],
    running: flags.Executing,
    snapshot: Annotated[
        str | None, flags.option("--snapshot", variable="", metavar="NAME", help="Clone the VM as it was in this snapshot.")
    ] = None,
    slices: Slices = None,
    stack: flags.Stack = None,
) -> int:
    """Make a new VM from copies of the disks of a VM.

    It belongs to the stack `imperative`, and has addresses, MACs and an identity of its own. What the original had in memory is not copied.
    """
    now = int(time.time())
    wanted = CloneWanted(vm, name, requests.choose_stack(call, stack), snapshot, tuple(slices or ()))
    # What stands against the clone is said before anything is done for it.
    stack_plans.refuse_unapplyable(clones.plan_clone(call.folder, wanted, now).plan)

    def make() -> int:
        return apply_flow.run_planned(call, _NAMED, running, lambda: clones.plan_clone(call.folder, wanted, now))

    if snapshot is not None:
        return make()
    return with_passing_snapshot(call, running, vm, wanted.stack, clones.passing_name("clone", name), now, make)


def with_passing_snapshot(
    call: Call, running: flags.Executing, vm: str, stack: str | None, name: str, now: int, work: Callable[[], int]
) -> int:
    """Do the work with a snapshot that is taken before it and deleted after it, whatever became of it."""
    record = clones.find_vm(lookups.read_recorded(call.folder), vm, stack)
    calm = call._replace(quiet=True)
    if any(one.name == name for one in snapshots.list_all(call.folder, [record.address], record.stack)):
        # One that was killed has left it.
        code = _delete(calm, running, record.address, record.stack, name)
        if code:
            return code
    asked = snapshots.Wanted((record.address,), record.stack, name)
    code = apply_flow.run_planned(calm, _NAMED, running, lambda: snapshots.plan_create(call.folder, asked, now)[0], one_vm=True)
    if code:
        return code
    try:
        code = work()
    finally:
        gone = _delete(calm, running, record.address, record.stack, name)
    return code or gone


def _delete(call: Call, running: flags.Executing, vm: str, stack: str, name: str) -> int:
    return (
        apply_flow.run_planned(
            call, _NAMED, running, lambda: snapshots.plan_delete(call.folder, vm, [name], stack, purge=True), purge=True, one_vm=True
        )
        or exit_codes.DONE
    )
