"""The enums of the vocabulary: action, reason, impact, severity, outcome.

Each value is the word a user reads, so that nothing has to be translated on the way to text or JSON.
"""

from enum import Enum


class Action(Enum):
    """What a plan does at one address."""

    NO_OP = "no-op"
    CREATE = "create"
    UPDATE = "update"
    STOP = "stop"
    REBOOT = "reboot"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    MOVE = "move"
    FORGET = "forget"

    @property
    def leaves(self) -> bool:
        """Return whether nothing is planned at the address any more."""
        return self in (Action.DELETE, Action.FORGET)


GLYPHS = {
    Action.NO_OP: " ",
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.STOP: "!",
    Action.REBOOT: "!",
    Action.REPLACE: "-/+",
    Action.DELETE: "-",
    Action.ADOPT: "<",
    Action.MOVE: ">",
    Action.FORGET: ".",
}
"""The sign in front of each change. A dictionary beside the enum keeps `Action("create")` working for JSON."""

WORDS_OF_TERRAFORM = {
    Action.NO_OP: ["no-op"],
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.STOP: ["update"],
    Action.REBOOT: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
    Action.ADOPT: ["update"],
    Action.MOVE: ["no-op"],
    Action.FORGET: ["forget"],
}


class Reason(Enum):
    """Why that action."""

    NONE = "none"
    NOT_RECORDED = "not_recorded"
    UNFINISHED = "unfinished"
    FIELDS_CHANGED = "fields_changed"
    NEEDS_POWER_CYCLE = "needs_power_cycle"
    NEEDS_REPLACEMENT = "needs_replacement"
    IMAGE_CHANGED = "image_changed"
    DRIFTED = "drifted"
    VANISHED = "vanished"
    CRASHED = "crashed"
    SILENT = "silent"
    UNRESPONSIVE = "unresponsive"
    GONE_FROM_FILE = "gone_from_file"
    DESTROY = "destroy"
    REPLACE_ASKED = "replace_asked"
    MOVED = "moved"
    ADOPTED = "adopted"
    UNDO = "undo"
    SNAPSHOT_ASKED = "snapshot_asked"
    RESTORE_ASKED = "restore_asked"


class Cause(Enum):
    """Why the world differs from the records."""

    OUTSIDE = "outside"
    """Somebody changed it outside herocloud."""
    FAILED_APPLY = "failed_apply"
    """An apply that has ended without success left it so."""
    UNFINISHED_APPLY = "unfinished_apply"
    """An apply that has not ended, and waits for `resume`, left it so."""
    NO_RECORD = "no_record"
    """It carries our mark and no record owns it, as where an older state was put back."""


class Impact(float, Enum):
    """What a change costs, in rising order. Plans are filed with these numbers, so a new one goes between two others."""

    NONE = 0
    LIVE = 1
    STOP = 1.5
    """A machine that runs does not run afterwards: it is stopped or paused."""
    REBOOT = 2
    REPLACE = 3
    """Re-created; its data stays."""
    DATA = 4
    """Data is destroyed (or put into a tombstone until its time to live passes)."""


IMPACT_WORDS = {
    Impact.NONE: "none",
    Impact.LIVE: "live",
    Impact.STOP: "stop",
    Impact.REBOOT: "reboot",
    Impact.REPLACE: "replace",
    Impact.DATA: "data_destroyed",
}


class Approval(Enum):
    """The classes that `--approve` names."""

    CREATE = "create"
    UPDATE = "update"
    STOP = "stop"
    REBOOT = "reboot"
    REPLACE = "replace"
    DESTROY = "destroy"


class Severity(Enum):
    """How bad a diagnostic is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Status(Enum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNDONE = "undone"
