"""What each step does to the record of its address, as pure functions.

Execution, resume and rollback all go through here, so that a record cannot depend on which of them wrote it. A record is always
cautious: until its change is complete it holds the slices of the old and the new target together, so that nobody is given a slice
that half a VM still uses, and the parts that have really been made.
"""

from herocloud.kits.jsons import Part, Spec
from herocloud.model.ids import StackName
from herocloud.model.plans import Change
from herocloud.model.steps import Step
from herocloud.model.words import Action
from herocloud.model.worlds import Record

RECORD_WRITE = "record.write"
MOVES = frozenset({"vm.move", "volume.move"})
"""Steps that change the mark on a thing and none of its parts."""


def begin_step(record: Record | None, change: Change, step: Step, stack: StackName, *, first: bool) -> Record | None:
    """Return the record once the intent of `step` is journalled, and before it runs; `first` tells that its change begins with it."""
    if record is None:
        return None if change.after is None else _make(change, stack)
    if first:
        # The plan starts from what was seen, which may have drifted from what is recorded; so does the record from now on.
        record = record._replace(parts=dict(change.parts_before or {}), complete=False)
    if change.after is None:
        return record
    if change.action is Action.CREATE or (change.action is Action.REPLACE and _creates(step)):
        # From here on what is left of the old one is gone, so a plan after a crash must compare with the new target.
        renewed = record._replace(provider=change.provider, sid=change.sid or record.sid, needs=change.needs)
        return _with_spec(renewed, _with_slices_of(change.after, record.spec))
    return _with_spec(record, _with_slices_of(record.spec, change.after))


def complete_step(record: Record | None, change: Change, step: Step, result: Part, stack: StackName) -> Record | None:
    """Return the record once `step` is done; `result` is the part as its provider says it came out."""
    if change.after is None and (record is None or step.last):
        return None
    record = record or _make(change, stack)
    if step.kind in MOVES or step.kind == RECORD_WRITE or step.last:
        record = record._replace(address=change.address)
    if step.kind != RECORD_WRITE and step.kind not in MOVES:
        record = record._replace(parts=_parts_with(record, step, result, made="vm.create", gone="vm.delete"))
    if not step.last or change.after is None:
        return record
    return record._replace(
        spec=change.after,
        provider=change.provider,
        complete=True,
        protect=change.protect,
        sid=change.sid or record.sid,
        needs=change.needs,
    )


def undo_step(record: Record | None, step: Step, original: Record | None) -> Record | None:
    """Return the record once `step` is taken back, while other steps of its change are not yet.

    `original` is the record from before the apply: it comes back without parts when the change had removed it already.
    """
    if record is None:
        record = original and original._replace(parts={}, complete=False)
    if record is None or step.kind == RECORD_WRITE or step.kind in MOVES:
        return record
    parts = _parts_with(record, step, step.before, made="vm.delete", gone="vm.create")
    return record._replace(parts=parts, complete=False)


def _parts_with(record: Record, step: Step, value: Part, *, made: str, gone: str) -> dict[str, Part]:
    """Return the parts with that of a step set or dropped. A machine brings its power along, off at first, and takes it away again."""
    parts = dict(record.parts)
    if value is None:
        parts.pop(step.part, None)
    else:
        parts[step.part] = value
    if step.kind == made:
        parts["power"] = "stopped"
    elif step.kind == gone:
        parts.pop("power", None)
    return parts


def _make(change: Change, stack: StackName) -> Record:
    return Record(
        stack=stack,
        address=change.address,
        kind=change.kind,
        provider=change.provider,
        spec=change.after or {},
        parts=dict(change.parts_before or {}),
        complete=False,
        protect=change.protect,
        sid=change.sid,
        needs=change.needs,
    )


def _creates(step: Step) -> bool:
    return step.before is None and step.after is not None


def _with_spec(record: Record, spec: Spec) -> Record:
    return record if not record.complete and record.spec is spec else record._replace(spec=spec, complete=False)


def _with_slices_of(spec: Spec, other: Spec) -> Spec:
    """Return `spec`, holding the slices of both; a slice that is only asked for must be taken before the work starts."""
    held = spec.get("slices") or ()
    more = [sid for sid in other.get("slices") or () if sid not in held]
    return {**spec, "slices": [*held, *more]} if more else spec
