"""Changes and plans."""

from collections.abc import Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import Pending
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import HERE, Address, HostId, PlanId, Sid, StackName
from herocloud.model.steps import Step
from herocloud.model.words import Action, Cause, Impact, Reason


class FieldDiff(NamedTuple):
    """One field that differs; `path` is dotted (`root_disk.size`, `networks[0].rate`)."""

    path: str
    before: Json
    after: Json
    impact: Impact = Impact.LIVE
    why: str = ""
    """Why it costs what it costs: `needs a power-cycle`, `root disk is destroyed`."""
    drift: bool = False
    """True when the world differs from the record, and not the file."""
    sensitive: bool = False


class Change(NamedTuple):
    """The difference at one address."""

    address: Address
    kind: str
    action: Action
    reason: Reason
    impact: Impact
    provider: str
    before: Spec | None
    after: Spec | None
    fields: tuple[FieldDiff, ...] = ()
    previous_address: Address | None = None
    sid: Sid | None = None
    protect: bool = False
    """Whether the record is protected after the change."""
    protected: bool = False
    """True when protection blocks this change."""
    needs: tuple[Address, ...] = ()
    note: str = ""
    """One more thing to know: `20 GiB of data is kept for 7 days`."""
    downtime: float | None = 0.0
    """Expected seconds from the stop of a VM to its last boot."""
    parts_before: Mapping[str, Part] | None = None
    """What was observed (or recorded) before, for undo."""
    complete: bool = True
    """Whether the record is whole after the change; an undo or an adoption may bring back what an earlier apply did not finish."""


class Level(NamedTuple):
    """One resource before, at its worst moment, and after; no limit when the host does not tell one."""

    before: int
    peak: int
    after: int
    limit: int | None
    ratio: float = 1.0
    """How often the host's own amount is promised in the limit."""


class Capacity(NamedTuple):
    """The proof that a plan fits at every moment of every order in which its steps may run."""

    slices: Level
    memory: Level
    vcpus: Level
    disk: Level
    network: Level
    disk_io: Level
    hugepages: Level = Level(0, 0, 0, None)
    """The part of the memory that is in huge pages."""


class Fact(NamedTuple):
    """Something observed that steps rely on."""

    key: str
    """`record:vm.db`, `observed:vm.db`, `slice:s3`, `vm-sid:v5`, `capacity` …"""
    digest: str
    says: str
    """The value in words, for the message when it changed."""
    host: HostId = HERE


HALF_MADE = "half made"
"""What becomes of a part that somebody began to make and did not finish."""
NOT_THERE = "not there"
"""What becomes of something that nobody has begun to make."""
WHOLE_VM = "state"
"""The part that stands for all of a VM where an apply did not end well."""


class Drift(NamedTuple):
    """A difference between the record and the world."""

    address: Address
    kind: str
    part: str
    before: Json
    after: Json
    cause: Cause = Cause.OUTSIDE

    @property
    def left_by_apply(self) -> bool:
        """Return whether an apply left it so, and nobody else."""
        return self.cause in (Cause.FAILED_APPLY, Cause.UNFINISHED_APPLY)


class Plan(NamedTuple):
    """Immutable: everything is decided here, nothing is left to the executor."""

    id: PlanId
    stack: StackName
    operation: str
    """`apply`, `destroy`, `undo`, `adopt`, `gc` …"""
    lineage: str | None
    host: str
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    capacity: Capacity
    facts: tuple[Fact, ...]
    diagnostics: tuple[Diagnostic, ...]
    drift: tuple[Drift, ...] = ()
    outputs: Mapping[str, Json] = {}
    outputs_before: Mapping[str, Json] = {}
    complete: bool = True
    """False when `--target` or `--exclude` left something out."""
    slices_free: int = 0
    slices_total: int = 0
    purge: bool = False
    simulated: bool = False
    critical_seconds: float = 0.0
    """How long the whole plan is expected to take."""
    unfinished: tuple[Pending, ...] = ()
    """Applies of this stack that ran or had not ended when the plan was made."""
    files: tuple[str, ...] = ()
    """The stack files that were read for it, as absolute paths."""
    undoes: str = ""
    """The apply that an `undo` takes back, by its name."""

    @property
    def errored(self) -> bool:
        """Return whether the plan could not be made."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def blocked(self) -> bool:
        """Return whether protection stands in the way."""
        return any(change.protected for change in self.changes)

    @property
    def changing(self) -> tuple[Change, ...]:
        """Return the changes that do something."""
        return tuple(change for change in self.changes if change.action is not Action.NO_OP)

    @property
    def applyable(self) -> bool:
        """Return whether apply would run it."""
        return not self.errored and not self.blocked and (bool(self.changing) or self.changes_outputs)

    @property
    def changes_outputs(self) -> bool:
        """Return whether the recorded outputs will change; a plan of a part of the stack leaves them alone."""
        return self.complete and dict(self.outputs) != dict(self.outputs_before)
