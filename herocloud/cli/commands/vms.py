"""Commands on one VM: looking at it, its power, its deletion.

To name an action on one VM is to approve it, so nothing is asked, except before a deletion: that takes `-y` or a typed name.
"""

from typing import Annotated

from herocloud.cli import apply_flow, exit_codes, flags, presentation, requests
from herocloud.cli.command import BadValue, Call
from herocloud.operations import damage, deployment, lookups, power

VM = Annotated[str, flags.argument(metavar="VM", help="The VM: `web[0]`, `vm.web[0]`, or its sid.")]


def list_vms(call: Call, stack: flags.Stack = None) -> int:
    """List the VMs."""
    from herocloud.views import listings

    recorded = lookups.read_recorded(call.folder)
    exit_codes.tell_diagnostics(call.screen, damage.warnings(recorded), quiet=call.quiet)
    chosen = requests.choose_stack(call, stack)
    seen = lookups.see(call.folder, recorded, chosen)
    presentation.show_listing(call, listings.vms(seen.records, seen.things))
    if stack is None and chosen not in (None, deployment.STACK):
        # Nobody asked for this stack alone, and clones are in no file where somebody would look for them.
        _point_to(call, sum(record.kind == "vm" for record in lookups.records_of(recorded, deployment.STACK)))
    return exit_codes.DONE


def _point_to(call: Call, others: int) -> None:
    if others:
        vms = f"{others} VM{'' if others == 1 else 's'} of the stack `{deployment.STACK}` (clones, imports, VMs deployed one by one)"
        call.note(f"note: {vms} {'is' if others == 1 else 'are'} not listed; `herocloud vm list --stack {deployment.STACK}` lists them")


def show(call: Call, name: VM, stack: flags.Stack = None) -> int:
    """Show one VM."""
    from herocloud.views import details

    recorded = lookups.read_recorded(call.folder)
    record = lookups.find_vm(recorded, name, requests.choose_stack(call, stack))
    things = lookups.see(call.folder, recorded, record.stack).things
    ended, counters = lookups.say_how_it_ended(call.folder, record), lookups.count(call.folder, record)
    presentation.show(
        call,
        lambda: details.vm_document(record, things, ended=ended, counters=counters),
        lambda: details.vm_text(record, things, ended=ended, counters=counters, color=call.screen.color_out),
    )
    return exit_codes.DONE


_LONGEST = 86400.0
_NAMED = flags.Approving(auto_approve=True)


def _act(
    call: Call,
    action: str,
    name: str,
    stack: str | None,
    running: flags.Executing,
    approval: flags.Approving,
    *,
    purge: bool = False,
    shutdown: float | None = None,
) -> int:
    wanted = power.Wanted(action, name, requests.choose_stack(call, stack), purge)
    return apply_flow.run_planned(call, approval, running, lambda: power.plan_power(call.folder, wanted), one_vm=True, shutdown=shutdown)


def start(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Boot a stopped VM."""
    return _act(call, "start", name, stack, running, _NAMED)


def stop(
    call: Call,
    *,
    name: VM,
    running: flags.Executing,
    force: Annotated[bool, flags.option("--force", variable="", help="Cut the power at once, without asking the guest.")] = False,
    timeout: Annotated[
        str | None,
        flags.option("--timeout", variable="", metavar="TIME", help="How long the guest has before its power is cut: 30s, 5min."),
    ] = None,
    stack: flags.Stack = None,
) -> int:
    """Shut a VM down."""
    seconds = None if timeout is None else requests.parse_seconds(timeout, "--timeout")
    if force and seconds is not None:
        raise BadValue("`--force` cuts the power at once, so there is nothing to wait for", "--timeout")
    if seconds is not None and seconds > _LONGEST:
        raise BadValue("a guest has a day at most", "--timeout")
    return _act(call, "stop", name, stack, running, _NAMED, shutdown=0.0 if force else seconds)


def restart(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Shut a VM down and boot it again."""
    return _act(call, "restart", name, stack, running, _NAMED)


def pause(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Freeze a running VM."""
    return _act(call, "pause", name, stack, running, _NAMED)


def resume(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Let a paused VM run on."""
    return _act(call, "resume", name, stack, running, _NAMED)


def delete(
    call: Call,
    *,
    name: VM,
    approval: flags.Approving,
    running: flags.Executing,
    purge: Annotated[bool, flags.switch("--purge", help="Remove its data at once instead of keeping it for a time.")] = False,
    stack: flags.Stack = None,
) -> int:
    """Delete a VM."""
    return _act(call, "delete", name, stack, running, approval, purge=purge)
