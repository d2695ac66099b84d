"""What a change is: its action and its reason, whether protection stands against it, and what else there is to say of it."""

from herocloud.kits import sizes
from herocloud.model import powers
from herocloud.model.plans import FieldDiff
from herocloud.model.steps import KINDS, Step
from herocloud.model.words import Action, Impact, Reason
from herocloud.plan import lost_data, name_steps, step_compiler
from herocloud.plan.cases import Case


def action_of(case: Case, fields: tuple[FieldDiff, ...], worst: Impact, steps: list[Step]) -> tuple[Action, Reason]:
    """Return what happens at an address, and why."""
    record = case.record
    if case.resource is None:
        if case.destroy:
            return Action.DELETE, Reason.DESTROY
        return Action.DELETE, Reason.GONE_FROM_FILE
    if record is None and not case.present:
        return Action.CREATE, Reason.NOT_RECORDED
    if record is None:
        return _action_of_orphan(case, worst, steps), Reason.ADOPTED
    if not case.present:
        return Action.CREATE, Reason.VANISHED if record.complete else Reason.UNFINISHED
    if worst >= Impact.REPLACE:
        return Action.REPLACE, _replace_reason(case, fields)
    drifted = any(field.drift for field in fields)
    wanted = any(not field.drift for field in fields)
    # Nobody else has changed what an apply of ours left in part.
    by_itself = Reason.DRIFTED if record.complete else Reason.UNFINISHED
    if case.moved_from is not None and not fields and name_steps.are_all(steps):
        return Action.MOVE, Reason.MOVED
    if step_compiler.leaves_it_down(steps):
        return Action.STOP, Reason.FIELDS_CHANGED if wanted else by_itself
    if worst is Impact.REBOOT and case.present.get("power") in powers.GIVEN_UP:
        return Action.REBOOT, Reason(str(case.present["power"]))
    if worst is Impact.REBOOT:
        return Action.REBOOT, Reason.NEEDS_POWER_CYCLE if wanted else by_itself
    if case.kind == "vm" and "machine" not in case.present:
        return Action.CREATE, Reason.VANISHED if record.complete else Reason.UNFINISHED
    if not record.complete:
        # What was made and is only not recorded as made is not created once more.
        return Action.UPDATE, Reason.UNFINISHED
    return Action.UPDATE, Reason.FIELDS_CHANGED if wanted else Reason.DRIFTED if drifted else Reason.FIELDS_CHANGED


def _action_of_orphan(case: Case, worst: Impact, steps: list[Step]) -> Action:
    """Return what has to happen to what is adopted before it is what the file asks for: that decides what has to be approved."""
    if worst >= Impact.REBOOT:
        return Action.REPLACE if worst >= Impact.REPLACE else Action.REBOOT
    if case.kind == "vm" and "machine" not in case.present:
        # It has not run, whatever else of it is there.
        return Action.CREATE
    return Action.STOP if step_compiler.leaves_it_down(steps) else Action.ADOPT


def _replace_reason(case: Case, fields: tuple[FieldDiff, ...]) -> Reason:
    if case.forced:
        return Reason.REPLACE_ASKED
    if any(field.path.startswith("image") for field in fields):
        return Reason.IMAGE_CHANGED
    return Reason.NEEDS_REPLACEMENT


def is_forbidden(case: Case, action: Action) -> bool:
    """Return whether protection stands against this; a block that says `protect: false` lifts it, a missing block does not."""
    lifted = case.resource is not None and not case.resource.protect
    return action in (Action.DELETE, Action.REPLACE) and not lifted


def note_of(case: Case, action: Action, impact: Impact, steps: list[Step]) -> str:
    """Return what there is to know of a change besides its fields."""
    if action is Action.ADOPT and any(KINDS[step.kind].boots for step in steps):
        return "found on the host, taken over and booted"
    if impact is not Impact.DATA or action not in (Action.DELETE, Action.REPLACE):
        return ""
    size = sum(step.before["size"] for step in steps if KINDS[step.kind].destroys_data)
    was = f"was `{case.moved_from}`, whose name another takes" if action is Action.DELETE and case.moved_from else ""
    if not size:
        return was
    gone = sum(1 for step in steps if step.kind == "snapshot.delete")
    with_snapshots = f" with {gone} snapshot{'s' if gone > 1 else ''}" if gone else ""
    return f"{was}{'; ' if was else ''}{sizes.show_size(size)} of data{with_snapshots} {lost_data.say_fate(purge=case.purge)}"
