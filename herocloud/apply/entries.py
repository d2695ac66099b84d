"""The entries of the journal, each with what it does to the records.

What each step does to the record of its address, as pure functions. Execution, resume and rollback all go through here, so that a record
cannot depend on which of them wrote it. A record is always cautious: until its change is complete it holds the slices of the old and the
new target together, so that nobody is given a slice that half a VM still uses, and the parts that have really been made.

The journal keeps the records of the addresses that a plan touches in memory, because reading one back from the database for every step
would make the cost of a step depend on the size of the state. It writes nothing itself: the runner collects the entries of one turn and
commits them together.
"""

from collections.abc import Callable, Iterable, Mapping

from herocloud.apply.followers import Followers
from herocloud.kits.jsons import Part, Spec
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import BESIDE, KINDS, RECORD_WRITE, Step, beside, restores_data
from herocloud.model.words import Action
from herocloud.model.worlds import Record
from herocloud.state.store import Entry


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
    if _leaves_parts(step) or step.last:
        record = record._replace(address=change.address)
    if not _leaves_parts(step):
        record = record._replace(parts=_parts_with(record, step, result, made="vm.create", gone="vm.delete"))
    if not step.last or change.after is None:
        return record
    if step.kind == RECORD_WRITE and step.after is not None:
        # An orphan is recorded as it was.
        record = record._replace(parts=step.after)
    return record._replace(
        spec=change.after,
        provider=change.provider,
        complete=change.complete,
        protect=change.protect,
        sid=change.sid or record.sid,
        needs=change.needs,
    )


def undo_step(record: Record | None, step: Step, original: Record | None) -> Record | None:
    """Return the record once `step` is taken back, while other steps of its change are not yet.

    `original` is the record from before the apply: it comes back without parts when the change had removed it already, and under the
    name that it was removed under.
    """
    if record is None:
        record = original and original._replace(address=step.address, parts={}, complete=False)
    if record is not None and KINDS[step.kind].moves_mark:
        # Under the other name nobody would find it again where some of its change cannot be taken back.
        return record._replace(address=Address(step.before["address"]), complete=False)
    if record is None or _leaves_parts(step):
        return record
    parts = _parts_with(record, step, step.before, made="vm.delete", gone="vm.create")
    if KINDS[step.kind].places:
        parts[f"{step.part}{BESIDE}"] = beside(step.after)
    return record._replace(parts=parts, complete=False)


def _leaves_parts(step: Step) -> bool:
    """Return whether a step changes a record or a mark, and no part."""
    return step.kind == RECORD_WRITE or KINDS[step.kind].moves_mark


def _parts_with(record: Record, step: Step, value: Part, *, made: str, gone: str) -> dict[str, Part]:
    """Return the parts with that of a step set or dropped. A machine brings its power along, off at first, and takes it away again."""
    parts = dict(record.parts)
    if KINDS[step.kind].places:
        parts.pop(f"{step.part}{BESIDE}", None)
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
    return step.before is None and step.after is not None and not KINDS[step.kind].beside


def _with_spec(record: Record, spec: Spec) -> Record:
    return record if not record.complete and record.spec is spec else record._replace(spec=spec, complete=False)


def _with_slices_of(spec: Spec, other: Spec) -> Spec:
    """Return `spec`, holding the slices of both; a slice that is only asked for must be taken before the work starts."""
    held = spec.get("slices") or ()
    more = [sid for sid in other.get("slices") or () if sid not in held]
    return {**spec, "slices": [*held, *more]} if more else spec


IN_FLIGHT = frozenset({"intent", "failed", "cancelled", "undoing"})
"""States of which only the world can tell how far the step got; a failed step may have done a part of its work."""


class Journal:
    """What is known of the steps and records of one apply."""

    def __init__(
        self,
        plan: Plan,
        records: Mapping[Address, Record],
        originals: Callable[[], Mapping[Address, Record]],
        begun: Iterable[Address] = (),
    ) -> None:
        """Start from the records as they are now; `originals` gives those from before the apply, for taking it back.

        `begun` are the addresses whose changes an earlier run began.
        """
        self.plan = plan
        self._changes: dict[Address, Change] = {change.address: change for change in plan.changing}
        self._given_up = {change.previous_address for change in plan.changing}
        """Names that belonged to something else before."""
        self._records = dict(records)
        self._begun = set(begun)
        self._load_originals = originals
        self._originals: Mapping[Address, Record] = {}
        self._to_undo: dict[Address, int] = {}
        self._followers = Followers(self._records)
        self._held_since: dict[StepId, float] = {}
        """When the steps ended by which VMs are held for a snapshot."""

    def change_of(self, step: Step) -> Change:
        """Return the change that a step belongs to."""
        return self._changes[step.address]

    def taken_back_by(self, step: Step) -> Step | None:
        """Return the step that this one takes back, where the provider must undo it and not perform the opposite.

        That is so in plans that undo others, for data: it comes out of its tombstone only by undoing its deletion. What was written since
        goes into a tombstone of its own first; a tombstone names the step that made it, so the two are never mixed up.
        """
        if self.plan.operation != "undo":
            return None
        original = step._replace(kind=KINDS[step.kind].inverse, before=step.after, after=step.before)
        if KINDS[step.kind].destroys_data and original.kind == step.kind:
            # Data took the place of other data, which lies in a tombstone.
            return original
        return original if restores_data(step.kind) and step.before is None else None

    @property
    def records(self) -> Mapping[Address, Record]:
        """Return the records of the stack as they are at this moment."""
        return self._records

    def record_of(self, step: Step) -> Record | None:
        """Return the record that a step works on."""
        return self._record_of(self._changes[step.address])

    def _record_of(self, change: Change) -> Record | None:
        """Find the record of a change, which is still under its old address until a move is done."""
        record = self._records.get(change.address)
        if record is None and change.previous_address is not None:
            record = self._records.get(change.previous_address)
        return record

    def intent(self, step: Step, at: float) -> Entry:
        """Say that a step is about to run."""
        change = self._changes[step.address]
        before = self._record_of(change)
        after = begin_step(before, change, step, self.plan.stack, first=step.address not in self._begun)
        self._begun.add(step.address)
        return self._enter(Entry(step.id, "intent", at), before, after)

    def held_since(self, step: Step) -> float | None:
        """Return since when all VMs are held that a step waits for; nothing where it waits for none, or an earlier run held them."""
        return max((self._held_since[need] for need in step.needs if need in self._held_since), default=None)

    def done(self, step: Step, result: Part, at: float, seconds: float) -> Entry:
        """Say that a step is done, and what its part came out as."""
        if step.kind == "vm.freeze":
            self._held_since[step.id] = at
        change = self._changes[step.address]
        before = self._record_of(change)
        after = complete_step(before, change, step, result, self.plan.stack)
        if self.plan.operation == "undo" and after is not None and after.kind == "vm" and "machine" not in after.parts:
            # What is taken back was the completion of something half-made, which is now half-made again.
            after = after._replace(complete=False)
        return self._enter(Entry(step.id, "done", at, seconds=seconds), before, after)

    def prepare_undo(self, steps: Iterable[Step]) -> None:
        """Say which steps will be taken back: with the last one of an address its record is again what it was."""
        self._originals = self._load_originals()
        self._to_undo = {}
        for step in steps:
            self._to_undo[step.address] = self._to_undo.get(step.address, 0) + 1

    def undoing(self, step: Step, at: float, event: str = "undoing", detail: str = "") -> Entry:
        """Say that a step is about to be taken back, in the words of a rollback or in others.

        Something that was removed has a record again from here on: a step that fails half-way may have brought back more than it says.
        """
        change = self._changes[step.address]
        before = self._record_of(change)
        return self._enter(
            Entry(step.id, event, at, detail),
            before,
            before or undo_step(None, step._replace(kind=RECORD_WRITE), self._original_of(change)),
        )

    def undone(self, step: Step, at: float, seconds: float, event: str = "undone", detail: str = "") -> Entry:
        """Say that a step is taken back."""
        change = self._changes[step.address]
        before = self._record_of(change)
        self._to_undo[step.address] -= 1
        original = self._original_of(change)
        after = original if self._to_undo[step.address] == 0 else undo_step(before, step, original)
        return self._enter(Entry(step.id, event, at, detail, seconds), before, after)

    def not_undone(self, step: Step, at: float, seconds: float, why: str) -> Entry:
        """Say that a step could not be taken back. From here on its record does not know any more what is there."""
        record = self._record_of(self._changes[step.address])
        return self._enter(Entry(step.id, "undoing", at, why, seconds), record, record and record._replace(complete=False))

    def left_to_undo(self, step: Step) -> int:
        """Count the steps of the same address that are still to be taken back."""
        return self._to_undo[step.address]

    def _original_of(self, change: Change) -> Record | None:
        # Its old name comes first: under its new one there may have been something else.
        original = self._originals.get(change.previous_address) if change.previous_address is not None else None
        if original is None and change.address not in self._given_up:
            original = self._originals.get(change.address)
        return original

    def _enter(self, entry: Entry, before: Record | None, after: Record | None) -> Entry:
        """Put the difference between two records into an entry, and into memory."""
        if before == after:
            return entry
        if after is None:
            if before is None:
                return entry
            del self._records[before.address]
            return entry._replace(remove=(before.stack, before.address))
        if before is not None and before.address != after.address:
            del self._records[before.address]
            followers = self._followers.rename(before.address, after.address, self._keeps_its_needs)
            entry = entry._replace(rename=(before.stack, before.address, after.address), followers=followers)
        self._records[after.address] = after
        self._followers.note(after)
        return entry._replace(record=after)

    def _keeps_its_needs(self, record: Record) -> bool:
        """Return whether the needs of a record speak of the names after all renames already; on the way back, of those before them."""
        change = self._changes.get(record.address)
        if self._to_undo:
            original = self._originals.get(record.address) if change is None else self._original_of(change)
            return original is not None and record.needs == original.needs
        return change is not None and record.address in self._begun and record.needs == change.needs


def going_back(states: Mapping[StepId, str]) -> bool:
    """Return whether a rollback had begun: then going on means going on backwards."""
    return any(state in ("undoing", "undone") for state in states.values())


def is_too_late(plan: Plan, states: Mapping[StepId, str]) -> bool:
    """Return whether a machine went on before all was done that it was held for: what is done now would be of another moment."""
    return any(
        KINDS[step.kind].heals and states.get(step.id) == "done" and any(states.get(need) != "done" for need in step.needs)
        for step in plan.steps
    )
