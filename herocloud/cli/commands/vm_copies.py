"""VMs that are copied: `vm clone`, `vm export`, `vm import`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, requests
from herocloud.cli.command import Call
from herocloud.cli.commands.vms import VM
from herocloud.kits import sizes
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.operations import clone_requests as clones
from herocloud.operations import lookups, passing_snapshots, stack_plans, vm_archives
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.clone_requests import CloneWanted
from herocloud.operations.passing_snapshots import Passing

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

    def make(call: Call) -> int:
        return apply_flow.run_planned(call, _NAMED, running, lambda: clones.plan_clone(call.folder, wanted, now), recovers=False)

    if snapshot is not None:
        return make(call)
    return with_passing_snapshot(call, running, vm, wanted.stack, clones.passing_name("clone", name), now, make)


def with_passing_snapshot(
    call: Call, running: flags.Executing, vm: str, stack: str | None, name: str, now: int, work: Callable[[Call], int]
) -> int:
    """Do the work with a snapshot that is taken before it and deleted after it, whatever became of it."""
    return apply_flow.run_in_one_stream(call, None, lambda whole: _with_passing_snapshot(whole, running, vm, stack, name, now, work))


def _with_passing_snapshot(
    call: Call, running: flags.Executing, vm: str, stack: str | None, name: str, now: int, work: Callable[[Call], int]
) -> int:
    record = lookups.find_vm(lookups.read_recorded(call.folder), vm, stack)
    calm = call._replace(quiet=True)
    delete_left(call, running)
    if any(snapshot.name == name for snapshot in snapshots.list_all(call.folder, [record.address], record.stack)):
        detail = f"`{record.address}` has a snapshot `{name}` already; a copy that runs took it, or somebody made it."
        hint = f"delete it with `herocloud vm snapshot delete {vm} {name}`, or copy from it with `--snapshot {name}`"
        raise Refused([Diagnostic("snapshot-exists", "The name is taken", detail, address=record.address, hint=hint)])
    clones.require_disks(call.folder, record, name, now)
    asked = snapshots.Wanted((record.address,), record.stack, name)
    passing = Passing(record.stack, record.address, name, call.command, now)
    with passing_snapshots.marked(call.folder, passing) as mark:
        code = apply_flow.run_planned(calm, _NAMED, running, lambda: snapshots.plan_create(call.folder, asked, now)[0], one_vm=True)
        if code:
            passing_snapshots.unmark(call.folder, passing, mark)
            return code
        try:
            code = work(call)
        finally:
            gone = _delete(calm, running, record.address, record.stack, name)
            if not gone:
                mark.unlink(missing_ok=True)
        return code or gone


def delete_left(call: Call, running: flags.Executing) -> int:
    """Delete the snapshots that clones and exports which were killed have left behind; returns the exit code."""
    code = exit_codes.DONE
    with passing_snapshots.left(call.folder) as found:
        for passing, mark in found:
            # It stands in the log as the end of what was cut off, so `undo` passes it over.
            calm = call._replace(quiet=True, command=passing.command)
            gone = _delete(calm, running, passing.address, passing.stack, passing.name)
            if gone:
                code = gone
                continue
            mark.unlink(missing_ok=True)
            call.note(
                f"deleted the snapshot `{passing.name}` of `{passing.address}`, which a `{passing.command}` had left that was cut off"
            )
    return code


def _delete(call: Call, running: flags.Executing, vm: str, stack: str, name: str) -> int:
    return (
        apply_flow.run_planned(
            call, _NAMED, running, lambda: snapshots.plan_delete(call.folder, vm, [name], stack, purge=True), one_vm=True
        )
        or exit_codes.DONE
    )


def export(
    call: Call,
    *,
    vm: VM,
    archive: Annotated[Path, flags.argument(metavar="FILE", help="The file to write; nothing is replaced.")],
    running: flags.Executing,
    snapshot: Annotated[
        str | None, flags.option("--snapshot", variable="", metavar="NAME", help="Export the VM as it was in this snapshot.")
    ] = None,
    stack: flags.Stack = None,
) -> int:
    """Write a VM with its disks into one file.

    The file has checksums, and `vm import` makes a VM of it on this host or another one.
    """
    vm_archives.refuse_target(archive)
    mine = requests.choose_stack(call, stack)
    record = lookups.find_vm(lookups.read_recorded(call.folder), vm, mine)

    def write(call: Call, name: str) -> int:
        size = vm_archives.export(call.folder, record.address, name, record.stack, archive)
        text = f"wrote `{archive}`: {sizes.show_size(size)}"
        call.note(text)
        with apply_flow.open_streams(call, None) as streams:
            streams.note(text)
        return exit_codes.DONE

    if snapshot is not None:
        return write(call, snapshot)
    name = clones.passing_name("export", record.address.partition(".")[2].replace("[", "-").replace("]", ""))
    return with_passing_snapshot(call, running, record.address, record.stack, name, int(time.time()), lambda whole: write(whole, name))


def import_file(
    call: Call,
    *,
    archive: Annotated[Path, flags.argument(metavar="FILE", help="The file that `vm export` wrote.")],
    running: flags.Executing,
    name: Annotated[
        str | None, flags.option("--name", variable="", metavar="NAME", help="What the VM is called; by default what it was called.")
    ] = None,
    slices: Slices = None,
    hypervisor: Annotated[
        str | None, flags.option("--hypervisor", metavar="NAME", help="Run it on this hypervisor; by default on the one that ran it.")
    ] = None,
) -> int:
    """Make a VM from a file that `vm export` wrote.

    It belongs to the stack `imperative`, and has addresses, MACs and an identity of its own. The file is checked before anything is made.
    """
    requests.require_hypervisor(hypervisor)
    wanted = vm_archives.ImportWanted(archive, name, tuple(slices or ()), call.environment, hypervisor or "auto")
    with vm_archives.unpacked(call.folder, archive) as content:
        return apply_flow.run_planned(call, _NAMED, running, lambda: vm_archives.plan_import(call.folder, wanted, content), recovers=False)
