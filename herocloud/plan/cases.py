"""A case: everything known about one address when it is decided what happens there."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record, Resource
from herocloud.plan.spec_values import Valued

Parts = Mapping[str, Part]


class Case(NamedTuple):
    """Everything known about one address."""

    stack: StackName
    address: Address
    kind: str
    name: str
    resource: Resource | None
    valued: Valued | None
    record: Record | None
    present: Parts
    """The parts that are there: observed, or recorded where nobody looked."""
    halves: Parts
    """The parts that are half made."""
    run_by: str | None
    """The hypervisor whose machine is there."""
    roles: Mapping[str, str]
    """Who plays each role now."""
    image: Spec
    """The image of a VM; empty for others."""
    counted: Record | None = None
    """The record as it counts against the host; that of what is there and has none now, as it was last recorded."""
    lost: Record | None = None
    """What was last recorded of something that has no record now."""
    forced: bool = False
    """`--replace` asked for it."""
    moved_from: Address | None = None
    marked_as: Address | None = None
    """The other address whose mark is still on what is there."""
    purge: bool = False
    destroy: bool = False
    beside: bool = True
    """Whether there is room for a new root disk beside the old one."""

    def leaves_hypervisor(self, spec: Spec) -> bool:
        """Return whether the machine that is there belongs to another hypervisor than wanted; its parts may look just the same."""
        return self.run_by is not None and self.run_by != spec["hypervisor"]

    @property
    def stray_name(self) -> Address | None:
        """The name that a thing has on the host, and neither in its record nor in the file."""
        return self.marked_as if self.marked_as != self.moved_from and self.present else None
