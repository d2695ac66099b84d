"""The words for the power of a VM: what a provider sees, what a plan makes of it, and how a list calls it.

A word may go on with a reason, after a colon. `running`, `paused` and `stopped` are what a stack file asks for; the others are only seen.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Json

CRASHED = "crashed"
"""Its hypervisor stopped it with an internal error, or its guest panicked: its process is there, and its guest never goes on."""
SILENT = "silent"
"""Its guest uses the processor and never wrote a first byte, as on hosts whose KVM lies."""
UNRESPONSIVE = "unresponsive"
"""Its process lives and does not answer."""
HALTED = "unresponsive: its process was stopped by a signal"
FROZEN = "unresponsive: its control group is frozen"
DISK_FULL, DISK_ERROR = "io-error: disk full", "io-error: disk error"
"""Its hypervisor paused it, because the host could not write what the guest wrote."""
UNSUPERVISED = "unsupervised"
"""How a list calls a VM that runs, and that nobody would start again when it ends, although its `restart` says so."""

GIVEN_UP = (CRASHED, SILENT, UNRESPONSIVE)
"""What only another boot helps."""
HELD = (HALTED, FROZEN, DISK_FULL, DISK_ERROR)
"""What goes on where it was, once it is let."""
ALIVE = ("running", "paused", *GIVEN_UP, *HELD)
"""Whose process is there."""

KEEPER = "keeper"
"""A field of a machine that is there only when it is wrong: what became of the process that starts it again."""
KEEPER_DEAD, KEEPER_HALTED = "dead", "stopped by a signal"
"""What becomes of a keeper, and of what works beside a VMM."""
KEEPER_LEAVES, KEEPER_WITHOUT_ORDERS = "does not start it again", "without orders"
KEEPER_ELSE, KEEPER_OTHER_ORDERS = "starts it again at other times", "with other orders"
LOG = "log"
"""A field of a machine that is there only when it is wrong: nothing keeps its serial log small."""
LOG_UNBOUNDED = "grows without bound"
HOST, HOST_OPEN = "host", "open"
"""A field of a machine that is there only when it is wrong: its process reaches what listens on the host itself."""
CONNECTIONS, CONNECTIONS_REFUSED = "connections", "refused"
"""A field of a machine that is there only when it is wrong: the program that watches its connections is gone, so it makes none."""
USER, USER_UNKNOWN, USER_UNWRITTEN = "user", "not set aside", "not written down"
"""A field of a machine that is there only when it is wrong: nothing says any more that its user is taken, or which user it is."""
RECORD, RECORD_LOST = "record", "gone"
"""A field of a machine that is there only when it is wrong: the file that says which process runs it is gone, or says something else."""
LIMITS, LIMITS_LEFT, LIMITS_CHANGED = "limits", "left", "changed"
"""A field of a machine that is there only when it is wrong: its process is not in its control groups, or these set other limits."""
FILES = "files"
"""A field of a machine that is there only when it is wrong: files of its VM that others may use, or that it may not."""
LEAVING = "leaving"
"""A field of a machine that is there only when it is wrong: devices that its guest still has, and does not get back when it reboots."""
BOOTS = "boots"
"""A field of a machine that is there only when it is wrong: what it would boot the next time is not what it booted."""
ATTENDANT = "attendant"
"""A field of a machine that is there only when it is wrong: what became of the process that reads its serial port."""
SHARING = "sharing"
"""A field of a machine that is there only when it is wrong: what became of the daemons that serve its shares."""
LOST_SHARES, SERVER_ENDED = "lost_shares", "its server ended"
"""A field of a machine that is there only when it is wrong: shares that its guest has no more, because a daemon of them ended."""
DISKS = "disks"
"""A field of a machine that is there only when it is wrong: what its disks are read and written through, which is not their own files."""
ADDED = "added"
"""A field of a machine that is there only when it is wrong: what its hypervisor was given that it does not have."""
UNKEPT = "without a keeper"
"""Of a process beside a VMM: it works, and nobody would start it again when it ends."""
MARK, OWNER = "mark", "owner"
"""Fields of a machine that are there only when they are wrong: what became of the files that say what it is, and whose it is.

The first is a field of disks, volumes, seeds, snapshots and images too: each has a file beside it that says whose it is. Networks and cards
have it as well: the alias of their interface says whose it is.
"""
LOST = frozenset({MARK, OWNER})
ONLY_SEEN = frozenset(
    {KEEPER, LOG, HOST, CONNECTIONS, USER, RECORD, LIMITS, FILES, LEAVING, BOOTS, ATTENDANT, SHARING, LOST_SHARES, DISKS, ADDED, *LOST}
)
"""Fields of a machine that no target has: each says what is wrong with one that runs."""

WHY = {
    CRASHED: "its hypervisor stopped it with an internal error, or its guest panicked",
    SILENT: "its guest uses the processor and has never written to its serial line",
    UNRESPONSIVE: "its hypervisor lives and does not answer",
    HALTED: "somebody stopped its process; it is continued",
    FROZEN: "somebody froze its control group; it is thawed",
    DISK_FULL: "the disk of the host is full; free space before it goes on",
    DISK_ERROR: "the disk of the host reported an error; see the log of its kernel before it goes on",
}

WHY_KEPT = {
    KEEPER_DEAD: "nobody would start it again when it ends; its process gets a new keeper",
    KEEPER_HALTED: "nobody would start it again when it ends; its keeper is continued",
    KEEPER_LEAVES: "its keeper would not start it again when it ends; it does from now on",
    KEEPER_WITHOUT_ORDERS: "nobody knows how to start it again when it ends; its orders are written again",
    KEEPER_ELSE: "its keeper would start it again at other times than it asks for; that is put right",
    KEEPER_OTHER_ORDERS: "something else would be started when it ends; its orders are written again",
}
"""What a plan says of each word about a keeper."""
WHY_SEEN = {
    LOG: "nothing keeps its serial log small while nobody runs a command; that begins again",
    HOST: "the rule that keeps it from what listens on the host is gone or changed; it is loaded again",
    CONNECTIONS: "the program that watches its connections is gone, so its guest connects to nothing; it boots again with another one",
    USER: "nothing says any more which user it runs as, or that nobody else may have it; that is written down again",
    RECORD: "the file that says which process runs it is gone or says something else; it is written again",
    LIMITS: "its process left its control groups, or their limits were changed; it is put back, and they are set again",
    FILES: "owners and modes of its files let others in, or keep its VM out; they are set again",
    ATTENDANT: "nobody reads its serial port, or nobody would when that process ends; another one takes its place",
    SHARING: "a share has no daemon, or would have none when that ends; another one takes its place",
    LOST_SHARES: "the daemon of a share ended, and its guest lost the share with it; it boots again",
    DISKS: "what its guest writes goes elsewhere, and is lost when its process ends; it is written back into its own disks",
    ADDED: "somebody gave its hypervisor a way in or out that it does not have; it is taken away",
    BOOTS: "it would boot something else when it is started again; its copy is made again",
    MARK: "the file that says what runs is not as it was written; it is written again from the record",
    OWNER: "the file that says whose it is is not as it was written; it is written again from the record",
    LEAVING: "the guest was asked to let go of it, and has lost it after its next reboot",
}
"""What a plan says of the other fields that are only seen."""
WHY_MARK = "the file that says whose it is is not as it was written; it is written again from the record"
WHY_ALIAS = "somebody changed the alias of its interface, which says whose it is; it is written again"
"""What a plan says of the mark of a disk, a volume, a seed, a snapshot or an image."""
_NOBODY = (KEEPER_DEAD, KEEPER_HALTED, KEEPER_LEAVES, KEEPER_WITHOUT_ORDERS)
"""Of the keepers that are wrong, those that start nothing again."""


def state_of(parts: Mapping[str, Json]) -> str:
    """Return what a list calls a VM with these parts."""
    power = str(parts.get("power", "gone"))
    machine = parts.get("machine")
    if power == "running" and isinstance(machine, dict) and machine.get(KEEPER) in _NOBODY:
        return UNSUPERVISED
    return power.partition(":")[0] if power in (HALTED, FROZEN) else power
