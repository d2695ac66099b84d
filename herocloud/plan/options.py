"""What a caller may ask of the planner besides its inputs."""

from typing import NamedTuple


class PlanOptions(NamedTuple):
    """Every flag that changes a plan."""

    target: tuple[str, ...] = ()
    """Only these addresses (exact, `vm.web` for all its instances, or a shell pattern) and what they need."""
    exclude: tuple[str, ...] = ()
    """Not these addresses, nor what needs them."""
    replace: tuple[str, ...] = ()
    """Make these anew even when nothing differs."""
    destroy: bool = False
    """Plan for nothing at all."""
    hypervisor: str | None = None
    """Run every VM on this one, whatever the file says."""
    purge: bool = False
    """Deleted data is gone at once instead of kept in a tombstone."""
    operation: str = "apply"
