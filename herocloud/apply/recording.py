"""What each step does to the record of its address, as pure functions.

Execution, resume and rollback all go through here, so that a record cannot depend on which of them wrote it. A record is always
cautious: until its change is complete it holds the slices of the old and the new target together, so that nobody is given a slice
that half a VM still uses, and the parts that have really been made.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.model.ids import StackName
from herocloud.model.plans import Change
from herocloud.model.steps import Step
from herocloud.model.words import Action
from herocloud.model.worlds import Record

RECORD_WRITE = "record.write"


def begin_step(record: Record | None, change: Change, step: Step, stack: StackName) -> Record | None:
    """Return the record once the intent of `step` is journalled, and before it runs."""
    if change.after is None:
        return record and _mark(record, record.spec)
    if record is None:
        return Record(
            stack=stack,
            address=change.address,
            kind=change.kind,
            provider=change.provider,
            spec=change.after,
            parts={},
            complete=False,
            protect=change.protect,
            sid=change.sid,
            needs=change.needs,
        )
    if change.action is Action.CREATE or (change.action is Action.REPLACE and _makes(step)):
        # From here on what is left of the old one is gone, so a plan after a crash must compare with the new target.
        renewed = record._replace(provider=change.provider, sid=change.sid or record.sid, needs=change.needs)
        return _mark(renewed, _with_slices_of(change.after, record.spec))
    return _mark(record, _with_slices_of(record.spec, change.after))


def complete_step(record: Record | None, change: Change, step: Step, result: Part, stack: StackName) -> Record | None:
    """Return the record once `step` is done; `result` is the part as its provider says it came out."""
    if step.kind == RECORD_WRITE:
        return _write(record, change, step, stack)
    record = record or begin_step(None, change, step, stack)
    if record is None:
        return None
    parts = dict(record.parts)
    put_part(parts, step.part, result)
    if step.kind == "vm.create":
        parts["power"] = "stopped"
    elif step.kind == "vm.delete":
        parts.pop("power", None)
    record = record._replace(parts=parts)
    return _complete(record, change) if step.last else record


def undo_step(record: Record | None, step: Step, original: Record | None) -> Record | None:
    """Return the record once `step` is taken back, while other steps of its change are not yet.

    `original` is the record from before the apply: it comes back without parts when the change had removed it already.
    """
    if record is None:
        record = original and original._replace(parts={}, complete=False)
    if record is None or step.kind == RECORD_WRITE:
        return record
    parts = dict(record.parts)
    put_part(parts, step.part, step.before)
    if step.kind == "vm.create":
        parts.pop("power", None)
    elif step.kind == "vm.delete":
        parts["power"] = "stopped"
    return record._replace(parts=parts, complete=False)


def put_part(parts: dict[str, Part], name: str, value: Part) -> None:
    """Set a part, or drop it when there is nothing any more."""
    if value is None:
        parts.pop(name, None)
    else:
        parts[name] = value


def _write(record: Record | None, change: Change, step: Step, stack: StackName) -> Record | None:
    """Carry out a step that changes the record only: adopt, forget, move, or a field that the world knows nothing of.

    `step.after` may hold parts, which then are all that the record has.
    """
    if change.after is None:
        return None
    record = record or begin_step(None, change, step, stack)
    if record is None:
        return None
    record = record._replace(address=change.address)
    if isinstance(step.after, Mapping):
        record = record._replace(parts=dict(step.after))
    return _complete(record, change) if step.last else record


def _complete(record: Record, change: Change) -> Record | None:
    if change.after is None:
        return None
    return record._replace(
        spec=change.after,
        provider=change.provider,
        complete=True,
        protect=change.protect,
        sid=change.sid or record.sid,
        needs=change.needs,
    )


def _makes(step: Step) -> bool:
    return step.before is None and step.after is not None


def _mark(record: Record, spec: Spec) -> Record:
    if not record.complete and record.spec is spec:
        return record
    return record._replace(spec=spec, complete=False)


def _with_slices_of(spec: Spec, other: Spec) -> Spec:
    """Return `spec`, holding the slices of both; a slice that is only asked for must be taken before the work starts."""
    held = spec.get("slices") or ()
    more = [sid for sid in other.get("slices") or () if sid not in held]
    return {**spec, "slices": [*held, *more]} if more else spec
