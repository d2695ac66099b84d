"""Imperative work on one VM: power, and deletion. Planned, proven and journalled like a stack."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model import powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.worlds import Observed, Record
from herocloud.operations import deployment, inputs, lookups, stack_plans
from herocloud.operations.inputs import Known
from herocloud.operations.stack_plans import Planned


class Wanted(NamedTuple):
    """Which VM, and what to do with it."""

    action: str
    """`start`, `stop`, `restart`, `pause`, `resume` or `delete`."""
    name: str
    stack: str | None = None
    purge: bool = False


def plan_power(folder: Path, wanted: Wanted, known: Known | None = None) -> Planned:
    """Plan one action on one VM. What is `known` is not read again."""
    from herocloud.plan import vm_power

    recorded, host = known or inputs.read_known(folder)
    record = lookups.find_vm(recorded, wanted.name, wanted.stack)
    observed = stack_plans.look(host, (record.stack,))
    _require_possible(wanted, record, observed)
    plan = vm_power.plan_power(wanted.action, record, recorded, observed, host.host, purge=wanted.purge)
    return stack_plans.without_file(plan, recorded, observed, host)


def _require_possible(wanted: Wanted, record: Record, observed: Observed) -> None:
    """Refuse what makes no sense for the VM as it is, naming the command that does."""
    thing = observed.things.get(record.stack, {}).get(record.address)
    power = str(thing.parts.get("power", "gone")) if thing else "gone"
    name = record.address
    if wanted.action == "delete":
        return
    if power == "gone":
        again = "`herocloud apply` re-creates it"
        if record.stack == deployment.STACK:
            again = f"`herocloud vm delete {name}` takes it out of the records, and then it can be deployed again"
        raise Refused(
            [
                Diagnostic(
                    "vm-gone",
                    "The VM is gone",
                    f"`{name}` is recorded, and nothing runs there.",
                    address=name,
                    hint=again,
                )
            ]
        )
    if wanted.action in ("pause", "resume") and power in powers.GIVEN_UP:
        detail = f"`{name}` is {power}: {powers.WHY[power]}, and only a power-cycle helps."
        raise Refused(
            [Diagnostic("wrong-state", "Wrong state", detail, address=name, hint=f"`herocloud vm restart {name}` boots it again")]
        )
    if wanted.action == "pause" and power == "stopped":
        raise Refused(
            [
                Diagnostic(
                    "wrong-state",
                    "Wrong state",
                    f"`{name}` is stopped; only a running VM can be paused.",
                    address=name,
                    hint=f"`herocloud vm start {name}` boots it",
                )
            ]
        )
    if wanted.action == "resume" and power == "stopped":
        raise Refused(
            [
                Diagnostic(
                    "wrong-state",
                    "Wrong state",
                    f"`{name}` is stopped, not paused.",
                    address=name,
                    hint=f"`herocloud vm start {name}` boots it",
                )
            ]
        )
