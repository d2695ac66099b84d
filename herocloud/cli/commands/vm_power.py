"""`vm start`, `stop`, `restart`, `pause`, `resume`, `delete`.

To name an action on one VM is to approve it, so nothing is asked, except before a deletion: that takes `-y` or a typed name.
"""

from typing import Annotated

from herocloud.cli import applying, flags, preparing
from herocloud.cli.commands.vms import VM
from herocloud.cli.invoking import Call
from herocloud.operations import powering

_NAMED = flags.Approving(auto_approve=True)


def _act(
    call: Call, action: str, name: str, stack: str | None, running: flags.Executing, approval: flags.Approving, *, purge: bool = False
) -> int:
    wanted = powering.Wanted(action, name, preparing.choose_stack(call, stack), purge)
    return applying.run_planned(call, approval, running, lambda: powering.plan_power(call.folder, wanted), purge=purge)


def start(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Boot a stopped VM."""
    return _act(call, "start", name, stack, running, _NAMED)


def stop(call: Call, name: VM, running: flags.Executing, stack: flags.Stack = None) -> int:
    """Shut a VM down."""
    return _act(call, "stop", name, stack, running, _NAMED)


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
