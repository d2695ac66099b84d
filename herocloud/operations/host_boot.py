"""VMs after a reboot of the host: those that should run are started, in the order of their dependencies; those that were stopped stay off.

Called by the daemon and by the boot unit; whichever comes second finds nothing left to do. What a boot brings back is everything that a
stack has recorded and the host lost with its power (bridges, taps, processes), and never anything that would replace or destroy.
"""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Plan
from herocloud.model.words import Action
from herocloud.operations import inputs, lookups, stack_plans
from herocloud.operations.stack_plans import Planned

MARK = "last-boot"
"""In the data folder: the boot in which VMs were last brought back."""
_HARMLESS = frozenset({Action.NO_OP, Action.CREATE, Action.UPDATE, Action.REBOOT})


class Due(NamedTuple):
    """What this boot of the host asks for."""

    booted: bool
    """True when the host has booted since VMs were last brought back."""
    stacks: tuple[StackName, ...]


def find_due(folder: Path, boot_id: str) -> Due:
    """Return whether the host was rebooted, and which stacks have VMs that should run.

    The first look of all goes by the boot in which something was done here last: VMs that it started have lost their power since.
    """
    try:
        known = (folder / MARK).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = lookups.last_boot(folder) or boot_id
        if known == boot_id:
            settle(folder, boot_id)
    recorded = lookups.read_recorded(folder)
    stacks = tuple(
        stack
        for stack, records in recorded.records.items()
        if any(record.kind == "vm" and record.spec.get("state") == "running" for record in records.values())
    )
    return Due(known != boot_id, stacks)


def expect(folder: Path, boot_id: str) -> None:
    """Have the next boot of the host noticed, also when it is the first after which anybody looks."""
    if not (folder / MARK).exists():
        settle(folder, boot_id)


def settle(folder: Path, boot_id: str) -> None:
    """Remember that VMs were brought back in this boot."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable_files.write_durably(folder / MARK, boot_id.encode("ascii"), mode=0o600)


def plan_revival(folder: Path, stack: StackName, address: Address) -> Planned:
    """Plan to bring back one VM that its policy wants running; raises Refused when that would take more than starting it."""
    from herocloud.plan import imperative_vms

    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, (stack,))
    plan = imperative_vms.plan_recorded(stack, recorded, observed, host.host, "vm restart", (address,))
    _require_harmless(plan, stack)
    return stack_plans.without_file(plan, recorded, observed, host)


def plan_boot(folder: Path, stack: StackName) -> Planned:
    """Plan to bring back what a stack has recorded; raises Refused when that would take more than starting things."""
    from herocloud.plan import imperative_vms

    recorded = lookups.read_recorded(folder)
    host = inputs.find_host(folder, recorded)
    observed = stack_plans.look(host, (stack,))
    plan = imperative_vms.plan_recorded(stack, recorded, observed, host.host, "boot")
    _require_harmless(plan, stack)
    return stack_plans.without_file(plan, recorded, observed, host)


def _require_harmless(plan: Plan, stack: StackName) -> None:
    # A disk that is not there any more is a loss that somebody has to look at, and no reason to make an empty one.
    empty = {step.address for step in plan.steps if step.kind == "disk.create"}
    harmful = [change.address for change in plan.changing if change.action not in _HARMLESS or change.address in empty]
    if harmful:
        detail = f"Bringing back stack `{stack}` would replace, delete or empty {', '.join(f'`{address}`' for address in harmful)}."
        raise Refused([Diagnostic("boot-needs-consent", "Not brought back", detail, hint="`herocloud plan` shows why")])
