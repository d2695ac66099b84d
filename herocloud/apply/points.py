"""The fault points of this package: where a test may make the process die, fail or stall.

The names are published as data so that the crash campaign aims at every one of them without a copy that can fall behind. A point
is always told twice, plain and with the kind of step behind it (`apply.perform.after` and `apply.perform.after:vm.boot`), which
lets a rule mean either the nth step of all or the nth of one kind.
"""

from herocloud.kits import faults

STEP_POINTS = (
    "apply.intent.before",
    "apply.intent.after",
    "apply.perform.before",
    "apply.perform.after",
    "apply.outcome.before",
    "apply.outcome.after",
)
"""Around each step on the way forward: journalling its intent, performing it, journalling its outcome."""

BACK_POINTS = (
    "back.intent.before",
    "back.intent.after",
    "back.undo.before",
    "back.undo.after",
    "back.outcome.before",
    "back.outcome.after",
)
"""The same around each step that a rollback takes back."""

RESUME_POINTS = ("resume.probe.before", "resume.probe.after")
"""Around asking the world how far a step got."""

WHOLE_POINTS = (
    "apply.begin.before",
    "apply.begin.after",
    "apply.finish.before",
    "apply.finish.after",
    "resume.begin",
    "resume.finish.before",
    "resume.finish.after",
)
"""Once in each apply or resume."""


def reached(name: str, kind: str) -> None:
    """Tell that a step of this kind is at the point `name`."""
    faults.reached(name)
    faults.reached(f"{name}:{kind}")
