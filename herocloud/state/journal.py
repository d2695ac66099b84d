"""Applies in the database: their plans, their journal, and the records that changed with it.

Whole plans are kept, for resume and undo. The head of a plan (all but its changes and steps) is one piece, then come changes and steps by
the hundred, each piece compressed: the steps of one plan resemble each other so much that a plan of fifty megabytes takes two.

Everything here runs inside a transaction of the caller, and costs as much as the entries it is given, whatever the state holds.
"""

import functools
import itertools
import json
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.shared_values import MadeLately
from herocloud.model import ids, plan_codec
from herocloud.model.applies import Caller, Pending, Scope
from herocloud.model.errors import Conflict
from herocloud.model.ids import PlanId, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import Step
from herocloud.model.words import Action, Approval
from herocloud.state import failures, holders, records, step_durations
from herocloud.state.books import Book
from herocloud.state.history import Applied, Did, Entry, Generation, Grant

_PER_PIECE = 256
_QUICKLY = 1
"""zlib's first level: the ninth saves little more on such text and takes five times as long."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def load(connection: sqlite3.Connection, apply: int, path: Path) -> Plan:
    """Return the plan of an apply."""
    return plan_codec.join_plan(*_unpress(connection, apply, path, "1"))


def load_head(connection: sqlite3.Connection, apply: int, path: Path) -> Plan:
    """Return the plan of an apply without its changes and steps."""
    return _unpress(connection, apply, path, "part = 'head'")[0]


def last_files(connection: sqlite3.Connection, stack: str, path: Path) -> tuple[str, ...]:
    """Return the stack files of the last apply of a whole stack that changed anything."""
    row = connection.execute(
        "SELECT max(apply) FROM applies WHERE stack = ? AND address = '' AND operation = 'apply' AND status IN ('done', 'partial')",
        (stack,),
    ).fetchone()
    return () if row[0] is None else load_head(connection, row[0], path).files


def _unpress(connection: sqlite3.Connection, apply: int, path: Path, condition: str) -> tuple[Plan, list[Change], list[Step]]:
    heads: list[Plan] = []
    changes: list[Change] = []
    found: list[Step] = []
    rows = connection.execute(f"SELECT part, body FROM pieces WHERE apply = ? AND {condition} ORDER BY id", (apply,))  # noqa: S608  (ours)
    try:
        for part, body in rows:
            pieces = json.loads(zlib.decompress(body))
            if part == "head":
                heads += [plan_codec.decode(Plan, piece) for piece in pieces]
            elif part == "change":
                changes += [plan_codec.decode(Change, piece) for piece in pieces]
            else:
                found += [plan_codec.decode(Step, piece) for piece in pieces]
    except (zlib.error, ValueError) as error:
        raise failures.damaged(path, f"the plan of apply {apply} cannot be read ({error})") from error
    if len(heads) != 1:
        raise failures.damaged(path, f"the plan of apply {apply} is not there")
    return heads[0], changes, found


class Prepared(NamedTuple):
    """A plan as it is written down: made before anything is locked, because it takes longer than all that has to be done under the lock."""

    plan: Plan
    pieces: tuple[tuple[str, bytes], ...]
    grant: Grant
    reserved: str
    holder: str


def prepare(plan: Plan, grant: Grant) -> Prepared:
    """Make ready what `begin` writes."""
    holder = holders.describe_self(grant.caller.command or plan.operation, plan.id, scope=Scope(plan.stack, grant.address))
    reserved = f"[{','.join(records.write_body(record) for record in grant.reserved)}]" if grant.reserved else ""
    return Prepared(plan, tuple(_pieces(plan)), grant, reserved, json.dumps(holder._asdict()))


def _pieces(plan: Plan) -> Iterator[tuple[str, bytes]]:
    yield "head", _press([plan_codec.head_of(plan)])
    both: tuple[tuple[str, Sequence[Change | Step]], ...] = (("change", plan.changes), ("step", plan.steps))
    for part, items in both:
        remaining = iter(items)
        while piece := tuple(itertools.islice(remaining, _PER_PIECE)):
            yield part, _press(piece)
    _UNTOUCHED.end_round()


def _press(items: Iterable[Plan | Change | Step]) -> bytes:
    return zlib.compress(f"[{','.join(map(_write, items))}]".encode(), _QUICKLY)


_UNTOUCHED: MadeLately[str] = MadeLately()
"""What is written of addresses that a plan leaves as they are: the planner of a process that stays names them by the same objects again."""


def _write(item: Plan | Change | Step) -> str:
    if isinstance(item, Change) and item.action is Action.NO_OP:
        return _UNTOUCHED.make(_write_one, item)
    return _write_one(item)


def _write_one(item: Plan | Change | Step) -> str:
    return _encode(plan_codec.encode(item))


ENDED = ("done", "partial", "rolled back")
STATUSES = (*ENDED, "interrupted")

_APPLIED = (
    "apply, plan, stack, operation, status, started, ended, serial, rollback_of,"
    " coalesce((SELECT command FROM serials WHERE serials.serial = applies.serial), '')"
)


UNFINISHED = "status IN ('running', 'interrupted')"
WHOLE = "(serial >= (SELECT kept_from FROM world) OR EXISTS (SELECT 1 FROM pieces WHERE pieces.apply = applies.apply AND part <> 'head'))"
"""Of an apply whose history was thrown away the head of its plan is left at most."""


def next_serial(connection: sqlite3.Connection, at: float, operation: str, plan: str | None, stack: str | None, caller: Caller) -> int:
    """Begin the next operation: raise the serial and write down what raised it."""
    connection.execute("UPDATE world SET serial = serial + 1")
    (serial,) = connection.execute("SELECT serial FROM world").fetchone()
    connection.execute(
        "INSERT INTO serials (serial, at, operation, plan, stack, user, command) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (serial, at, operation, plan, stack, caller.user or None, caller.command or None),
    )
    return int(serial)


def skip_serials(connection: sqlite3.Connection, mark: int) -> None:
    """Begin above a mark that is ahead of the state: serials up to it were given to what this state does not know."""
    connection.execute("UPDATE world SET serial = ? WHERE serial < ?", (mark, mark))


def generation(connection: sqlite3.Connection) -> Generation:
    """Return what changes whenever anybody takes something or edits a record."""
    return Generation(*connection.execute("SELECT serial, slices FROM world").fetchone())


def serial(connection: sqlite3.Connection) -> int:
    """Return the number of the last operation."""
    return int(connection.execute("SELECT serial FROM world").fetchone()[0])


def begin(connection: sqlite3.Connection, prepared: Prepared, started: float, rollback_of: PlanId | None) -> tuple[int, int]:
    """Write down a plan that is about to run; returns the number of its apply and its serial."""
    plan, grant = prepared.plan, prepared.grant
    serial = next_serial(connection, started, plan.operation, plan.id, plan.stack, grant.caller)
    cursor = connection.execute(
        "INSERT INTO applies (plan, stack, operation, status, started, serial, rollback_of, job, approved, address, holder, reserved)"
        " VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            plan.id,
            plan.stack,
            plan.operation,
            started,
            serial,
            rollback_of,
            grant.caller.job,
            _write_classes(grant.approved),
            grant.address or "",
            prepared.holder,
            prepared.reserved,
        ),
    )
    apply = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO pieces (apply, part, body) VALUES (?, ?, ?)", [(apply, part, body) for part, body in prepared.pieces]
    )
    raise_slices(connection, plan.slices_total)
    return apply, serial


def take_over(connection: sqlite3.Connection, apply: int, grant: Grant, *, closing: bool) -> None:
    """Write down who goes on with an apply, and what that was approved for beside what it began with.

    One that somebody closes is not finished by the job that began it, whatever becomes of the closing.
    """
    plan, stack, operation, approved = connection.execute(
        "SELECT plan, stack, operation, approved FROM applies WHERE apply = ?", (apply,)
    ).fetchone()
    holder = holders.describe_self(grant.caller.command or operation, plan, scope=Scope(StackName(stack)))
    connection.execute(
        "UPDATE applies SET status = 'running', holder = ?, approved = ?, job = iif(?, '', job) WHERE apply = ?",
        (json.dumps(holder._asdict()), _write_classes(_read_classes(approved) | grant.approved), closing, apply),
    )


class Run:
    """What this process has written for one apply."""

    def __init__(self, connection: sqlite3.Connection, apply: int) -> None:
        """Find out where the journal of the apply stands."""
        row = connection.execute(
            "SELECT coalesce(max(number), 0), (SELECT serial FROM applies WHERE apply = ?1) FROM journal WHERE apply = ?1", (apply,)
        ).fetchone()
        self.number: int = row[0]
        self.apply = apply
        # Of an apply that is not there the journal takes no line, which says it better than this could.
        self.book = Book(row[1] or 0)

    def commit(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        """Add lines to the journal and change the records that go with them."""
        rows = []
        for entry in entries:
            self.number += 1
            rows.append((self.apply, self.number, entry.step, entry.event, entry.at, entry.seconds, entry.detail))
        connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        change_records(connection, self.book, entries)


def change_records(connection: sqlite3.Connection, book: Book, entries: Sequence[Entry]) -> None:
    """Remove, rename and record what the entries say, and move the slices accordingly."""
    for entry in entries:
        if entry.remove is not None:
            book.drop(connection, *entry.remove)
        if entry.rename is not None:
            book.rename(connection, *entry.rename)
        if entry.record is not None:
            book.put(entry.record)
        for record in entry.followers:
            book.put(record)
    highest = book.settle(connection)
    if highest:
        raise_slices(connection, highest)


def finish(
    connection: sqlite3.Connection,
    apply: int,
    status: str,
    ended: float,
    outputs: Mapping[str, jsons.Json] | None,
    did: Did | None,
    providers: Mapping[StepId, str],
    own: float,
) -> None:
    """Write down how an apply ended. An undo that is done turns what it undid into `rolled back`, so that it can be applied again."""
    values: dict[str, object] = {"status": status, "ended": ended}
    if did is not None:
        values |= did._asdict()
    if status in ENDED:
        # What it held beyond its records is free from here on.
        values["reserved"] = ""
    changes = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE applies SET {changes} WHERE apply = ?", (*values.values(), apply))  # noqa: S608  (ours)
    if status not in ENDED:
        return
    step_durations.learn(connection, apply, providers, own)
    if status != "done":
        return
    connection.execute(
        "UPDATE applies SET status = 'rolled back', ended = coalesce(ended, ?) WHERE apply <> ?"
        " AND plan = (SELECT rollback_of FROM applies WHERE apply = ?)",
        (ended, apply, apply),
    )
    if outputs is not None:
        (stack,) = connection.execute("SELECT stack FROM applies WHERE apply = ?", (apply,)).fetchone()
        connection.execute("DELETE FROM outputs WHERE stack = ?", (stack,))
        rows = [(stack, name, jsons.dumps(value)) for name, value in outputs.items()]
        connection.executemany("INSERT INTO outputs VALUES (?, ?, ?)", rows)


def raise_slices(connection: sqlite3.Connection, slices: int) -> None:
    """Remember how many slices there ever were; the number never falls."""
    connection.execute("UPDATE world SET slices = ?1 WHERE slices < ?1", (slices,))


def settle_slices(connection: sqlite3.Connection, slices: int) -> None:
    """Set how many slices there are."""
    for sid, (stack, address) in reversed(records.owners(connection).items()):
        if ids.sid_number(sid) > slices:
            raise Conflict(f"slice {sid} is held by {address} of stack {stack}, so there are more than {slices} slices")
    connection.execute("UPDATE world SET slices = ?", (slices,))


def applies(connection: sqlite3.Connection, condition: str = "1", values: tuple[object, ...] = ()) -> list[Applied]:
    """Return applies without their plans, newest first."""
    rows = connection.execute(f"SELECT {_APPLIED} FROM applies WHERE {condition} ORDER BY apply DESC", values)  # noqa: S608  (ours)
    return [Applied(*row) for row in rows]


def unfinished(connection: sqlite3.Connection, apply: int | None = None) -> Applied | None:
    """Return this apply if it did not end, or the newest that did not."""
    chosen = ("", ()) if apply is None else (" AND apply = ?", (apply,))
    return next(iter(applies(connection, UNFINISHED + chosen[0], chosen[1])), None)


_PENDING = (
    "SELECT apply, applies.plan, applies.stack, applies.operation, status, started, user, command, job, approved, address, holder"
    " FROM applies LEFT JOIN serials USING (serial)"
)


def pending(connection: sqlite3.Connection, folder: Path) -> tuple[Pending, ...]:
    """Return every apply that runs or did not end, oldest first."""
    rows = connection.execute(f"{_PENDING} WHERE {UNFINISHED} ORDER BY apply").fetchall()
    return tuple(
        Pending(
            number,
            plan,
            stack,
            operation,
            status,
            started,
            Caller(user or "", command or "", job),
            _in_order(approved),
            address or None,
            _is_alive(folder, stack, holder),
        )
        for number, plan, stack, operation, status, started, user, command, job, approved, address, holder in rows
    )


def reserved(connection: sqlite3.Connection, kept: records.Kept | None = None) -> records.Records:
    """Return what applies that run or did not end may come to hold, by stack and address; `kept` is what the last question has read."""
    texts = connection.execute(f"SELECT apply, reserved FROM applies WHERE {UNFINISHED} AND reserved <> ''").fetchall()  # noqa: S608  (ours)
    found: records.Records = {}
    for record in (kept or records.Kept()).read_lists(texts):
        found.setdefault(record.stack, {})[record.address] = record
    return found


@functools.lru_cache(maxsize=16)
def _in_order(classes: str) -> tuple[Approval, ...]:
    return tuple(sorted(_read_classes(classes), key=list(Approval).index))


@functools.lru_cache(maxsize=256)
def _read_holder(text: str) -> holders.Holder | None:
    try:
        return holders.Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _is_alive(folder: Path, stack: StackName, text: str) -> bool:
    """Return whether the process that was last at work on an apply holds the lock for it."""
    from herocloud.state import locking

    holder = _read_holder(text)
    if holder is None:
        return False
    if locking.is_held_here(folder, holder):
        return True
    for scope in dict.fromkeys((holder.scope, Scope(stack))):
        present = locking.read_holder(folder, scope)
        if present is not None and present.pid == holder.pid and present.start_time == holder.start_time:
            return present.plan == holder.plan
    return False


def _write_classes(classes: Collection[Approval]) -> str:
    return " ".join(sorted(approval.value for approval in classes))


def _read_classes(text: str) -> frozenset[Approval]:
    return frozenset(Approval(word) for word in text.split())


def states(connection: sqlite3.Connection, apply: int) -> dict[StepId, str]:
    """Return the last event of every step that the journal knows."""
    return dict(connection.execute("SELECT step, event FROM journal WHERE apply = ? ORDER BY number", (apply,)).fetchall())


def outputs(connection: sqlite3.Connection) -> dict[StackName, dict[str, jsons.Json]]:
    """Return the outputs of the last apply that was done, by stack."""
    import json

    found: dict[StackName, dict[str, jsons.Json]] = {}
    for stack, name, value in connection.execute("SELECT stack, name, value FROM outputs ORDER BY stack, name"):
        found.setdefault(stack, {})[name] = json.loads(value)
    return found
