"""A data folder into which others may write: what is said of it before an apply is refused there."""

from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.plans import Plan
from herocloud.model.words import Severity


def tell_in(plan: Plan, folder: Path) -> Plan:
    """Return the plan with the error that its apply would end with, so that it promises nothing."""
    from herocloud.plan import annotation
    from herocloud.state import folder_trust

    found = folder_trust.find(folder)
    return annotation.with_diagnostics(plan, [*found, *plan.diagnostics]) if found else plan


def warnings(folder: Path) -> list[Diagnostic]:
    """Return the same for those who only look."""
    from herocloud.state import folder_trust

    return [diagnostic._replace(severity=Severity.WARNING) for diagnostic in folder_trust.find(folder)]
