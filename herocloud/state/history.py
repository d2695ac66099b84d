"""The past of the records: what each serial changed, the records as they were, and what differs between two serials.

Records carry the serials between which they were current, so the world at a serial is one condition and nothing has to be replayed. What
goes into the state and comes out of it is plain data.
"""

import json
import sqlite3
from collections.abc import Mapping

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import NOBODY, Caller, apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.model.worlds import Record
from herocloud.state import records


class Entry(NamedTuple):
    """One line of the journal, with what it changes in the records."""

    step: StepId
    event: str
    """`intent`, `done`, `failed`, `skipped`, `cancelled`, `undoing` or `undone`."""
    at: float
    detail: str = ""
    seconds: float = 0.0
    record: Record | None = None
    """Takes the place of what is recorded at its address."""
    remove: tuple[StackName, Address] | None = None
    rename: tuple[StackName, Address, Address] | None = None
    """Stack, old address, new address. One entry removes first, then renames, then records."""
    followers: tuple[Record, ...] = ()
    """Records of other addresses that need what is renamed, with its new name."""


class Unfinished(NamedTuple):
    """An apply that did not end."""

    apply: int
    plan: Plan
    states: Mapping[StepId, str]
    """The last event of each step in the journal; a step that is not here was never started."""


class Generation(NamedTuple):
    """What changes whenever anybody is admitted or edits a record."""

    serial: int
    slices: int


class Grant(NamedTuple):
    """With what an apply begins, beside its plan."""

    caller: Caller = NOBODY
    approved: frozenset[Approval] = frozenset()
    address: Address | None = None
    """The one VM that it is about; nothing for an apply of a whole stack."""
    reserved: tuple[Record, ...] = ()
    """What it may come to hold until it ends."""


class Did(NamedTuple):
    """How many things an apply changed."""

    added: int = 0
    changed: int = 0
    destroyed: int = 0
    taken_back: int = 0
    replaced: int = 0
    """How many of what was added and destroyed are one thing in the place of another."""


class Applied(NamedTuple):
    """An apply, without its plan."""

    apply: int
    plan: PlanId
    stack: StackName
    operation: str
    status: str
    """`running`, `interrupted`, `done`, `partial` or `rolled back`."""
    started: float
    ended: float | None
    serial: int
    rollback_of: PlanId | None
    command: str = ""
    """What was called; empty where that is not known any more."""

    @property
    def in_passing(self) -> bool:
        """Return whether another command took or deleted a snapshot for its own work, or the daemon by a schedule: nobody asked for it."""
        return self.operation in _OF_SNAPSHOTS and self.command in _PASSING

    @property
    def is_of_clone(self) -> bool:
        """Return whether it was done for a clone."""
        return self.in_passing and self.command in _CLONING


_OF_SNAPSHOTS = ("vm snapshot create", "vm snapshot delete")
_CLONING = ("vm clone", "rpc clone_vm")
_PASSING = (*_CLONING, "vm export", "rpc snapshot_schedule")


class AppliedPlan(NamedTuple):
    """An apply with its plan and how far each step got."""

    apply: int
    plan: Plan
    status: str
    started: float
    ended: float | None
    states: Mapping[StepId, str]
    serial: int


class Line(NamedTuple):
    """One line of the journal of an apply, as it is read back."""

    step: StepId
    event: str
    """As `Entry.event`."""
    at: float
    seconds: float
    detail: str


class PastRun(NamedTuple):
    """An apply with its plan and all lines of its journal, oldest first."""

    applied: Applied
    plan: Plan
    lines: tuple[Line, ...]


class Version(NamedTuple):
    """One serial: who did what, what changed, and how it ended."""

    serial: int
    at: float
    user: str | None
    command: str | None
    stack: StackName | None
    apply: str | None
    """The name of the apply; nothing for records that were edited by hand."""
    operation: str
    plan: PlanId | None
    added: int
    changed: int
    destroyed: int
    taken_back: int
    replaced: int
    """How many of what was added and destroyed are one thing in the place of another."""
    outcome: str
    """As `Applied.status`; `done` for what was edited by hand."""
    seconds: float | None
    """How long it took; nothing while it runs."""


class Difference(NamedTuple):
    """What differs at one address between two serials."""

    stack: StackName
    address: Address
    before: Record | None
    after: Record | None

    @property
    def what(self) -> str:
        """Say it in a word."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def lines(connection: sqlite3.Connection, apply: int) -> tuple[Line, ...]:
    """Return the journal of an apply, oldest line first."""
    rows = connection.execute("SELECT step, event, at, seconds, detail FROM journal WHERE apply = ? ORDER BY number", (apply,))
    return tuple(Line(*row) for row in rows)


def last_boot(connection: sqlite3.Connection) -> str | None:
    """Return the boot of the host in which the newest apply ran; nothing where there was none, or where it does not say."""
    row = connection.execute("SELECT holder FROM applies ORDER BY apply DESC LIMIT 1").fetchone()
    try:
        said = json.loads(row[0]) if row is not None else {}
    except ValueError:
        return None
    boot = said.get("boot_id") if isinstance(said, dict) else None
    return boot if isinstance(boot, str) and boot else None


_AT = "since <= ?1 AND (until IS NULL OR until > ?1)"

_LOG = """
WITH began AS (SELECT since AS serial, count(*) AS n FROM records GROUP BY since),
     ended AS (SELECT until AS serial, count(*) AS n FROM records WHERE until IS NOT NULL GROUP BY until),
     followed AS (SELECT now.since AS serial, count(*) AS n, sum(now.body <> old.body) AS different FROM records now JOIN records old
                  ON old.stack = now.stack AND old.address = now.address AND old.until = now.since GROUP BY now.since)
SELECT serials.serial, at, user, command, serials.stack, apply, serials.operation, serials.plan,
       coalesce(applies.added, coalesce(began.n, 0) - coalesce(followed.n, 0)),
       coalesce(applies.changed, coalesce(followed.different, 0)),
       coalesce(applies.destroyed, coalesce(ended.n, 0) - coalesce(followed.n, 0)),
       coalesce(applies.taken_back, 0), coalesce(applies.replaced, 0), coalesce(applies.status, 'done'),
       CASE WHEN apply IS NULL THEN 0.0 ELSE applies.ended - applies.started END
FROM serials LEFT JOIN began USING (serial) LEFT JOIN ended USING (serial) LEFT JOIN followed USING (serial)
     LEFT JOIN applies USING (serial)
WHERE serials.serial > 0 AND (serials.serial >= (SELECT kept_from FROM world) OR apply IS NOT NULL) ORDER BY serials.serial DESC
"""
"""An apply that ended says itself what it did: a replaced VM can have the record that it had before."""


def log(connection: sqlite3.Connection) -> list[Version]:
    """Return every operation that raised the serial, newest first."""
    return [
        Version(serial, at, user, command, stack, None if apply is None else apply_id(apply), *rest)
        for serial, at, user, command, stack, apply, *rest in connection.execute(_LOG)
    ]


def records_at(connection: sqlite3.Connection, serial: int) -> records.Records:
    """Return the records as they were once the operation of `serial` had run."""
    _require(connection, serial)
    return records.load(connection, _AT, (serial,))


def records_around(connection: sqlite3.Connection, serial: int) -> tuple[records.Records, records.Records]:
    """Return the records as they were before and after the operation of `serial`; the number before it may be nobody's."""
    return records.load(connection, _AT, (serial - 1,)), records.load(connection, _AT, (serial,))


def diff(connection: sqlite3.Connection, before: int, after: int) -> list[Difference]:
    """Return what differs between two serials, in either direction of time."""
    _require(connection, before)
    _require(connection, after)
    low, high = sorted((before, after))
    # Only versions that began or ended in between can differ; the rest is never read.
    changed = f"({_AT}) AND ((since > ?2 AND since <= ?3) OR (until > ?2 AND until <= ?3))"
    sides = [records.load(connection, changed, (serial, low, high)) for serial in (before, after)]
    old, new = ({(stack, address): record for stack, inside in side.items() for address, record in inside.items()} for side in sides)
    differing = (key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
    return [Difference(*key, old.get(key), new.get(key)) for key in differing]


def _require(connection: sqlite3.Connection, serial: int) -> None:
    last, first = connection.execute("SELECT serial, kept_from FROM world").fetchone()
    if serial < first or connection.execute("SELECT 1 FROM serials WHERE serial = ?", (serial,)).fetchone() is None:
        older = ", and the history before them was thrown away" if 0 <= serial < first else ""
        detail = f"serial {serial} was asked for, and this state has serials {first} to {last}{older}. `herocloud state log` lists them."
        raise Refused([Diagnostic("unknown-serial", "There is no such serial", detail)])
