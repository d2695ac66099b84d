"""What stands beside the process of a VM and starts it again, as the daemon sees it: what it noted, and whether it is there."""

from typing import Protocol

from herocloud.kits.named_tuples import NamedTuple


class RestartEvent(NamedTuple):
    """Something that what stands beside a VM's process noted."""

    at: float
    """Seconds since 1970."""
    kind: str
    """`ended` (the process, with its exit code or `unknown`), `restarted` (with the number of tries in a row), `left-off` (its policy does
    not start it again) or `gave-up` (it ended too often)."""
    detail: str


class Restarter(Protocol):
    """What stands beside the process of one VM and starts it again by its policy, whether or not a daemon runs."""

    def read_events(self) -> tuple[RestartEvent, ...]:
        """Return what happened since `forget_events`, oldest first."""
        ...

    def forget_events(self) -> None:
        """Drop what `read_events` has returned."""
        ...

    def replace_if_dead(self) -> bool:
        """Put a new one beside a process that should have one and has none; tells whether it did."""
        ...

    def is_abandoned(self) -> bool:
        """Return whether both died in this boot of the host, so that nobody will start the VM again."""
        ...

    def cut_log(self) -> bool:
        """Cut the serial log to its limit; tells whether it was longer."""
        ...
