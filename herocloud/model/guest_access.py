"""What a VM shows of its guest, and where the guest is reached from the host."""

from pathlib import Path

from herocloud.kits.named_tuples import NamedTuple


class GuestAccess(NamedTuple):
    """Where a guest is reached from the host while its VM runs."""

    agent: Path
    """The socket of the agent."""
    port: int | None
    """The vsock port behind a socket that serves several; nothing where the socket leads to the agent alone."""
    console: Path
    """The socket of the serial console."""
    log: Path
    """The file that keeps what the guest wrote to its serial console."""


class Said(NamedTuple):
    """What a program did that ran in what stands in for a guest."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""


class Signs(NamedTuple):
    """What a VM shows while its guest is waited for: `power` as its part is, CPU time used, bytes on its serial line since it was booted.

    `hopeless` says why its guest will never answer, when that is known, and `way_out` what it would boot on next: `with TCG: …`.
    """

    power: str
    cpu_seconds: float
    serial_bytes: int
    hopeless: str = ""
    way_out: str = ""
