"""Asking a person to approve a plan, when there is one to ask."""

import sys
from collections.abc import Collection, Sequence

from herocloud.cli import terminal
from herocloud.cli.invoking import Call
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import approving
from herocloud.operations.approving import Question


def get_approval(call: Call, plan: Plan, approved: frozenset[Approval], *, may_ask: bool) -> None:
    """Return when everything in the plan is approved; raises Blocked with what to write, or after another answer than the right one."""
    lacking = approving.missing(plan, approved)
    if not lacking:
        return
    silent = _why_not_asked(call, may_ask=may_ask)
    if silent is not None:
        raise Blocked([approving.refusal(lacking, silent)])
    asked = approving.question(plan, lacking)
    if not asked.accepts(_answer(call, _words(plan, asked))):
        raise Blocked([approving.declined(lacking)])


def get_removal_approved(call: Call, names: Sequence[str], approved: Collection[Approval], *, may_ask: bool) -> None:
    """Return when the removal of things without a record is approved."""
    if Approval.DESTROY in approved:
        return
    shown = ", ".join(f"`{name}`" for name in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    silent = _why_not_asked(call, may_ask=may_ask)
    if silent is not None:
        detail = f"Nobody approved the removal of {shown}, and {silent}."
        raise Blocked([Diagnostic("not-approved", "Not approved", detail, hint="`--approve destroy` or `-y` approves it")])
    if _answer(call, f"\nRemove {shown} for good? Only `yes` is a yes: ") != "yes":
        raise Blocked([Diagnostic("not-approved", "Not approved", "The answer was not `yes`; nothing was removed.")])


def _why_not_asked(call: Call, *, may_ask: bool) -> str | None:
    """Say why nobody can be asked; nothing when somebody can."""
    if not may_ask:
        return "`--no-input` forbids to ask"
    if call.json:
        return "`--json` never asks"
    return None if terminal.can_ask() else approving.NO_TERMINAL


def _words(plan: Plan, asked: Question) -> str:
    if not asked.loses_data:
        return f"\nRun this plan of stack `{plan.stack}`? Only `yes` is a yes: "
    what = ", ".join(f"`{address}`" for address in asked.addresses[:8])
    more = f" and {len(asked.addresses) - 8} more" if len(asked.addresses) > 8 else ""
    whose = "its name" if len(asked.addresses) == 1 else "the name of the stack"
    return f"\nThe data of {what}{more} would be destroyed. Type {whose}, `{asked.word}`, to approve: "


def _answer(call: Call, words: str) -> str:
    call.screen.raw_talk(words)
    line = sys.stdin.readline()
    if not line:
        # The line was closed without an answer; the next line of output should not stand behind the question.
        call.screen.raw_talk("\n")
    return line.strip()
