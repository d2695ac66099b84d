"""The words for the power of a VM: what a provider sees, what a plan makes of it, and how a list calls it.

A word may go on with a reason, after a colon. `running`, `paused` and `stopped` are what a stack file asks for; the others are only seen.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Json

CRASHED = "crashed"
"""Its hypervisor stopped it with an internal error: its process is there, and its guest never goes on."""
SILENT = "silent"
"""Its guest uses the processor and never wrote a first byte, as on hosts whose KVM lies."""
UNRESPONSIVE = "unresponsive"
"""Its process lives and does not answer."""
HALTED = "unresponsive: its process was stopped by a signal"
DISK_FULL, DISK_ERROR = "io-error: disk full", "io-error: disk error"
"""Its hypervisor paused it, because the host could not write what the guest wrote."""
UNSUPERVISED = "unsupervised"
"""How a list calls a VM that runs, and that nobody would start again when it ends, although its `restart` says so."""

GIVEN_UP = (CRASHED, SILENT, UNRESPONSIVE)
"""What only another boot helps."""
HELD = (HALTED, DISK_FULL, DISK_ERROR)
"""What goes on where it was, once it is let."""
ALIVE = ("running", "paused", *GIVEN_UP, *HELD)
"""Whose process is there."""

KEEPER = "keeper"
"""A field of a machine that is there only when it is wrong: what became of the process that starts it again."""
KEEPER_DEAD, KEEPER_HALTED = "dead", "stopped by a signal"
"""What becomes of a keeper, and of what works beside a VMM."""
LEAVING = "leaving"
"""A field of a machine that is there only when it is wrong: devices that its guest still has, and does not get back when it reboots."""
BOOTS = "boots"
"""A field of a machine that is there only when it is wrong: what it would boot the next time is not what it booted."""
ATTENDANT = "attendant"
"""A field of a machine that is there only when it is wrong: what became of the process that reads its serial port."""
SHARING = "sharing"
"""A field of a machine that is there only when it is wrong: what became of the daemons that serve its shares."""
UNKEPT = "without a keeper"
"""Of a process beside a VMM: it works, and nobody would start it again when it ends."""
MARK, OWNER = "mark", "owner"
"""Fields of a machine that are there only when they are wrong: what became of the files that say what it is, and whose it is."""
LOST = frozenset({MARK, OWNER})
ONLY_SEEN = frozenset({KEEPER, LEAVING, BOOTS, ATTENDANT, SHARING, *LOST})
"""Fields of a machine that no target has: each says what is wrong with one that runs."""

WHY = {
    CRASHED: "its hypervisor stopped it with an internal error",
    SILENT: "its guest uses the processor and has never written to its serial line",
    UNRESPONSIVE: "its hypervisor lives and does not answer",
    HALTED: "somebody stopped its process; it is continued",
    DISK_FULL: "the disk of the host is full; free space before it goes on",
    DISK_ERROR: "the disk of the host reported an error; see the log of its kernel before it goes on",
}


def state_of(parts: Mapping[str, Json]) -> str:
    """Return what a list calls a VM with these parts."""
    power = str(parts.get("power", "gone"))
    machine = parts.get("machine")
    if power == "running" and isinstance(machine, dict) and machine.get(KEEPER):
        return UNSUPERVISED
    return power.partition(":")[0] if power == HALTED else power
