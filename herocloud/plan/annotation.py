"""A finished plan as it is shown: with what others had to say about it, and without what a reader did not ask for.

Nothing here changes what is executed, and the name of the plan stays. It lives beside the planner so that no other layer gets used to
replacing fields of a plan.
"""

from collections.abc import Mapping, Sequence

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, Step
from herocloud.model.words import Action


def with_diagnostics(plan: Plan, diagnostics: Sequence[Diagnostic]) -> Plan:
    """Return the plan with these in place of its own diagnostics: the same ones with their lines in a file, or with more beside them."""
    return plan._replace(diagnostics=tuple(diagnostics))


def without_outputs(plan: Plan) -> Plan:
    """Return the plan for a reader whom outputs do not concern."""
    return plan._replace(outputs={})


def for_copy(plan: Plan) -> Plan:
    """Return the plan for a copy of the state it was made for, which has a lineage of its own."""
    return plan._replace(lineage=None)


def with_files(plan: Plan, files: Sequence[str]) -> Plan:
    """Return the plan with the stack files that were read for it, which the next plan compares with its own."""
    return plan._replace(files=tuple(files))


def with_steps_only(plan: Plan, steps: Sequence[Step]) -> Plan:
    """Return the plan for a reader who watches only these of its steps."""
    return plan._replace(steps=tuple(steps), critical_seconds=0.0)


def with_closed(plan: Plan, making: Mapping[Address, str]) -> Plan:
    """Return the plan of a removal with what the closing of unfinished applies takes back before it, so that nothing of it is kept.

    `making` names the apply by what it was making the data of.
    """
    changes = tuple(
        change._replace(note=f"what `{making[change.address]}` was making of it is taken back; no data is kept")
        if change.address in making and change.action is Action.DELETE
        else change
        for change in plan.changes
    )
    buried = sum(step.before["size"] - step.gives.disk for step in plan.steps if step.address in making and KINDS[step.kind].destroys_data)
    level = plan.capacity.disk
    freed = level._replace(after=level.after - buried)
    return plan._replace(changes=changes, capacity=plan.capacity._replace(disk=freed))
