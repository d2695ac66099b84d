"""Which approvals a plan needs, which are missing, and what a person has to type for them. Pure."""

from collections.abc import Collection, Iterable

from herocloud.kits import nearest
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Change, Plan
from herocloud.model.words import Action, Approval, Impact, Reason

EVERYTHING = frozenset(Approval)

_CLASSES = {
    Action.NO_OP: (),
    Action.CREATE: (Approval.CREATE,),
    Action.UPDATE: (Approval.UPDATE,),
    Action.STOP: (Approval.STOP,),
    Action.REBOOT: (Approval.REBOOT,),
    Action.REPLACE: (Approval.REPLACE,),
    Action.DELETE: (Approval.DESTROY,),
    Action.ADOPT: (Approval.UPDATE,),
    Action.MOVE: (Approval.UPDATE,),
    Action.FORGET: (Approval.UPDATE,),
}


class NotAClass(ValueError):
    """A word that is not a class of approval."""


class Question(NamedTuple):
    """What a person has to type to approve what is not approved yet."""

    word: str
    """`yes`, or a name when data would be lost."""
    loses_data: bool
    addresses: tuple[Address, ...]
    """What would lose data."""

    def accepts(self, answer: str) -> bool:
        """Return whether this answer approves; the plan shows addresses, so the whole address of the one thing is as good as its name."""
        return answer == self.word or (len(self.addresses) == 1 and answer == self.addresses[0])


def parse(texts: Iterable[str]) -> frozenset[Approval]:
    """Read what `--approve` was given, once or several times, with commas or without."""
    known = {approval.value: approval for approval in Approval}
    approvals = set()
    for word in " ".join(texts).replace(",", " ").split():
        if word not in known:
            close = nearest.nearest(word, known)
            hint = f"did you mean `{close}`?" if close else f"classes are {', '.join(known)}"
            raise NotAClass(f"`{word}` is not a class of approval; {hint}")
        approvals.add(known[word])
    return frozenset(approvals)


def classes_of(change: Change) -> tuple[Approval, ...]:
    """Return the classes that one change needs: a replacement that loses data needs both words."""
    if change.reason is Reason.RESTORE_ASKED or (change.reason is Reason.SNAPSHOT_ASKED and change.impact is Impact.DATA):
        # All that the command does is about the data.
        return (Approval.DESTROY,)
    classes = _CLASSES[change.action]
    if change.impact is Impact.DATA and Approval.DESTROY not in classes:
        return (*classes, Approval.DESTROY)
    if change.kind == "mycelium" and change.impact is Impact.REBOOT:
        # VMs that the plan does not reboot lose their addresses until somebody does.
        return (*classes, Approval.REBOOT)
    return classes


def missing(plan: Plan, approved: Collection[Approval]) -> dict[Approval, list[Change]]:
    """Return the changes that are not approved, by the class that is missing, mildest first."""
    changes: dict[Approval, list[Change]] = {}
    for change in plan.changing:
        for approval in classes_of(change):
            if approval not in approved:
                changes.setdefault(approval, []).append(change)
    if not plan.changing and dict(plan.outputs) != dict(plan.outputs_before) and Approval.UPDATE not in approved:
        changes[Approval.UPDATE] = []
    return {kind: changes[kind] for kind in Approval if kind in changes}


def question(plan: Plan, lacking: dict[Approval, list[Change]]) -> Question:
    """Say what has to be typed: the name of what loses its data, the stack's when there is more than one, and else `yes`."""
    return question_about(plan.stack, lacking)


def question_about(stack: StackName, lacking: dict[Approval, list[Change]]) -> Question:
    """Say what has to be typed to approve these changes of a stack."""
    lost = [change.address for change in lacking.get(Approval.DESTROY, ()) if change.impact is Impact.DATA]
    if not lost:
        return Question("yes", loses_data=False, addresses=())
    if len(lost) > 1:
        return Question(stack, loses_data=True, addresses=tuple(lost))
    parts = ids.split_address(lost[0])
    name = lost[0] if parts is None else lost[0].partition(".")[2]
    return Question(name, loses_data=True, addresses=tuple(lost))


NO_TERMINAL = "there is no terminal to ask at"


def refusal(plan: Plan, approved: Collection[Approval], why_not_asked: str = NO_TERMINAL) -> Diagnostic:
    """Say what is not approved, why nobody was asked, and what to write to approve it."""
    lines = [f"{approval.value}: {_list(changes)}" for approval, changes in missing(plan, approved).items()]
    # Not only what is lacking: a hint without what was given would lack that the next time.
    words = ",".join(approval.value for approval in missing(plan, ()))
    hint = f"`--approve {words}` approves them, `-y` approves everything"
    if plan.operation in ("apply", "destroy"):
        # No other command saves what it plans.
        hint += "; a plan saved with `plan --out FILE` is approved by running it"
    return Diagnostic(
        "not-approved",
        "Not approved",
        f"Nobody approved these changes, and {why_not_asked}:\n" + "\n".join(lines),
        hint=hint,
    )


def declined(asked: Question, lacking: dict[Approval, list[Change]]) -> Diagnostic:
    """Say that a person was asked and did not approve."""
    words = ", ".join(approval.value for approval in lacking)
    detail = f"The answer was not `{asked.word}`, so nothing was changed. Not approved: {words}."
    return Diagnostic("not-approved", "Not approved", detail)


def _list(changes: list[Change]) -> str:
    if not changes:
        return "outputs"
    shown = ", ".join(f"`{change.address}`" for change in changes[:8])
    return shown if len(changes) <= 8 else f"{shown} and {len(changes) - 8} more"
