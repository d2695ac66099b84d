"""The seam between the engine and a provider.

A provider package has three modules: `observing` (one batched look), `planning` (pure: what each field costs) and `driving` (effects:
perform, probe, undo). A step kind without a probe does not exist.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple, Protocol

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.ids import Address, StackName
from herocloud.model.steps import Step
from herocloud.model.words import Impact
from herocloud.model.worlds import Observed


class Found(Enum):
    """What a probe says of a step, looking at the world and not at our records."""

    NOT_STARTED = "not started"
    DONE = "done"
    PARTIAL = "partial"
    CONTRADICTED = "contradicted"


class Probe(NamedTuple):
    """The answer of a probe; `detail` names what was found where it is neither before nor after."""

    found: Found
    detail: str = ""


class Work(NamedTuple):
    """A step with what its provider needs besides: who owns it, and how to behave."""

    step: Step
    stack: StackName
    spec: Spec
    """The target of the whole change (of the old one for a delete), for what a part does not hold: user data, environment."""
    lineage: str
    """The identity of the state, which goes into the mark on everything that is made."""
    plan: str
    purge: bool = False
    """Deleted data is removed at once and not kept in a tombstone."""
    cancelled: Callable[[], bool] = lambda: False
    """Long work asks this now and then and stops with `Temporary` when it says yes."""
    progress: Callable[[str, float | None], None] = lambda _text, _share: None


class Driver(Protocol):
    """The effects of a provider."""

    def perform(self, work: Work) -> Part:
        """Bring the part from `before` to `after`; idempotent. Returns the part as it came out (usually `after`)."""
        ...

    def probe(self, work: Work) -> Probe:
        """Say how far this step got."""
        ...

    def undo(self, work: Work) -> None:
        """Bring the part from `after` (or half-way) back to `before`; idempotent."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class Observer(Protocol):
    """One batched look at the world."""

    def observe(self, stacks: Iterable[StackName] | None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        ...


class Verdict(NamedTuple):
    """What changing one field costs."""

    impact: Impact
    why: str = ""
    refused: str = ""
    """Not empty when the change cannot be made at all; says why and the way out."""


class Unsupported(NamedTuple):
    """A field that this provider does not support yet."""

    path: str
    detail: str


class VmPlanning(Protocol):
    """What a hypervisor's `planning` module offers to the planner, as plain functions of these names."""

    NAME: str

    def judge(self, path: str, before: Json, after: Json, spec: Spec, machine: Part) -> Verdict:
        """Say what it costs to change the field at `path`; `spec` is the target, `machine` the part as it is now."""
        ...

    def unsupported(self, spec: Spec) -> list[Unsupported]:
        """Name the fields of `spec` that this hypervisor cannot honour."""
        ...


class Signs(NamedTuple):
    """What a VM shows from the outside while its guest is waited for."""

    power: str
    """`running`, `paused`, `stopped`, or `crashed` when its hypervisor gave it up."""
    cpu_seconds: float
    serial_bytes: int
    hopeless: str = ""
    """Why its guest will never answer, for a person; empty while it may."""
    way_out: str = ""
    """What the VM would boot on next: `with TCG: …`."""


class Tombstone(NamedTuple):
    """Deleted data that is still there."""

    key: str
    stack: StackName
    address: Address
    bytes: int
    deleted: float
