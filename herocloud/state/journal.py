"""Applies in the database: their plans, their journal, and the records that changed with it.

Whole plans in the database, for resume and undo. The head of a plan (all but its changes and steps) is one piece, then come changes and
steps by the hundred, each piece compressed: the steps of one plan resemble each other so much that a plan of fifty megabytes takes two.

Applies and their journal: what was meant, what came of it, and the records that changed with it.

Everything here runs inside a transaction of the caller, and costs as much as the entries it is given, whatever the state holds.
"""

import itertools
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from herocloud.kits import jsons
from herocloud.model import ids, plan_codec, steps
from herocloud.model.errors import Conflict
from herocloud.model.ids import PlanId, StackName, StepId
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import Step
from herocloud.model.worlds import Record
from herocloud.state import failures, records
from herocloud.state.history import Applied, Entry

_PER_PIECE = 256
_QUICKLY = 1
"""zlib's first level: the ninth saves little more on such text and takes five times as long."""

_KINDS: dict[str, type] = {"head": Plan, "change": Change, "step": Step}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def store(connection: sqlite3.Connection, apply: int, plan: Plan) -> None:
    """Keep a plan as the body of an apply."""
    connection.executemany("INSERT INTO pieces (apply, part, body) VALUES (?, ?, ?)", _pieces(apply, plan))


def load(connection: sqlite3.Connection, apply: int, path: Path) -> Plan:
    """Return the plan of an apply."""
    parts = _unpress(connection, apply, path, "1")
    return plan_codec.join_plan(parts["head"][0], parts["change"], parts["step"])


def load_head(connection: sqlite3.Connection, apply: int, path: Path) -> Plan:
    """Return the plan of an apply without its changes and steps."""
    head: Plan = _unpress(connection, apply, path, "part = 'head'")["head"][0]
    return head


def _unpress(connection: sqlite3.Connection, apply: int, path: Path, condition: str) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {"head": [], "change": [], "step": []}
    rows = connection.execute(f"SELECT part, body FROM pieces WHERE apply = ? AND {condition} ORDER BY id", (apply,))  # noqa: S608  (ours)
    try:
        for part, body in rows:
            parts[part] += [plan_codec.decode(_KINDS[part], data) for data in json.loads(zlib.decompress(body))]
    except (zlib.error, ValueError) as error:
        raise failures.damaged(path, f"the plan of apply {apply} cannot be read ({error})") from error
    if len(parts["head"]) != 1:
        raise failures.damaged(path, f"the plan of apply {apply} is not there")
    return parts


def _pieces(apply: int, plan: Plan) -> Iterator[tuple[int, str, bytes]]:
    yield apply, "head", _press([plan_codec.head_of(plan)])
    for part, items in (("change", plan.changes), ("step", plan.steps)):
        remaining = iter(items)
        while piece := tuple(itertools.islice(remaining, _PER_PIECE)):
            yield apply, part, _press(piece)


def _press(items: Iterable[Any]) -> bytes:
    return zlib.compress(_encode([plan_codec.encode(item) for item in items]).encode(), _QUICKLY)


ENDED = ("done", "partial", "rolled back")
STATUSES = (*ENDED, "interrupted")
LEARNED_FROM = 50
"""Durations kept per kind of step: a few, so that a new disk shows after a day and not after a year."""

_KIND = re.compile(r"[a-z]+\.[a-z]+")
_APPLIED = "apply, plan, stack, operation, status, started, ended, serial, rollback_of"


def next_serial(connection: sqlite3.Connection, at: float, operation: str, plan: str | None, stack: str | None) -> int:
    """Begin the next operation: raise the serial and write down what raised it."""
    connection.execute("UPDATE world SET serial = serial + 1")
    (serial,) = connection.execute("SELECT serial FROM world").fetchone()
    connection.execute("INSERT INTO serials VALUES (?, ?, ?, ?, ?)", (serial, at, operation, plan, stack))
    return int(serial)


def begin(connection: sqlite3.Connection, plan: Plan, started: float, rollback_of: PlanId | None) -> int:
    """Write down a plan that is about to run; returns the number of its apply."""
    serial = next_serial(connection, started, plan.operation, plan.id, plan.stack)
    cursor = connection.execute(
        "INSERT INTO applies (plan, stack, operation, status, started, serial, rollback_of) VALUES (?, ?, ?, 'running', ?, ?, ?)",
        (plan.id, plan.stack, plan.operation, started, serial, rollback_of),
    )
    apply = int(cursor.lastrowid or 0)
    store(connection, apply, plan)
    raise_slices(connection, plan.slices_total)
    return apply


def commit(connection: sqlite3.Connection, apply: int, entries: Sequence[Entry]) -> None:
    """Add lines to the journal and change the records that go with them."""
    (serial,) = connection.execute("SELECT serial FROM world").fetchone()
    (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM journal WHERE apply = ?", (apply,)).fetchone()
    for entry in entries:
        number += 1
        connection.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)",
            (apply, number, entry.step, entry.event, entry.at, entry.seconds, entry.detail),
        )
        if entry.event == "done" and entry.seconds > 0:
            _learn(connection, entry)
    change_records(connection, serial, entries)


def change_records(connection: sqlite3.Connection, serial: int, entries: Sequence[Entry]) -> None:
    """Remove, rename and record what the entries say, and move the slices accordingly."""
    touched: dict[records.Owner, None] = {}
    for entry in entries:
        if entry.remove is not None:
            records.drop(connection, serial, *entry.remove)
            touched[entry.remove] = None
        if entry.rename is not None:
            stack, origin, target = entry.rename
            records.rename(connection, serial, stack, origin, target)
            touched[stack, target] = None
        if entry.record is not None:
            records.put(connection, serial, entry.record)
            touched[entry.record.stack, entry.record.address] = None
    _settle_slices(connection, list(touched))


def finish(connection: sqlite3.Connection, apply: int, status: str, ended: float, outputs: Mapping[str, jsons.Json] | None) -> None:
    """Write down how an apply ended. An undo that is done turns what it undid into `rolled back`, so that it can be applied again."""
    connection.execute("UPDATE applies SET status = ?, ended = ? WHERE apply = ?", (status, ended, apply))
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
            raise Conflict(f"slice {sid} is held by {address} of stack {stack}, so there are more than {slices} slices", f"slice:{sid}")
    connection.execute("UPDATE world SET slices = ?", (slices,))


def applies(connection: sqlite3.Connection, condition: str = "1", values: tuple[object, ...] = ()) -> list[Applied]:
    """Return applies without their plans, newest first."""
    rows = connection.execute(f"SELECT {_APPLIED} FROM applies WHERE {condition} ORDER BY apply DESC", values)  # noqa: S608  (ours)
    return [Applied(*row) for row in rows]


def unfinished(connection: sqlite3.Connection) -> Applied | None:
    """Return the newest apply that did not end."""
    return next(iter(applies(connection, "status IN ('running', 'interrupted')")), None)


def states(connection: sqlite3.Connection, apply: int) -> dict[StepId, str]:
    """Return the last event of every step that the journal knows."""
    return dict(connection.execute("SELECT step, event FROM journal WHERE apply = ? ORDER BY number", (apply,)).fetchall())


def durations(connection: sqlite3.Connection) -> dict[str, float]:
    """Return the median of the last durations by kind of step."""
    found: dict[str, list[float]] = {}
    for kind, seconds in connection.execute("SELECT kind, seconds FROM durations ORDER BY kind, seconds"):
        found.setdefault(kind, []).append(seconds)
    return {kind: (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2 for kind, values in found.items()}


def _settle_slices(connection: sqlite3.Connection, touched: Sequence[records.Owner]) -> None:
    present: list[Record] = []
    for stack, address in touched:
        records.release(connection, stack, address)
        record = records.find(connection, stack, address)
        if record is not None:
            present.append(record)
    records.assign(connection, present)
    raise_slices(connection, records.highest(present))


def _learn(connection: sqlite3.Connection, entry: Entry) -> None:
    # `vm.web[0]/disk.create` and, when a change has several, `…/tap.create#2`: the kind begins what is behind the last slash.
    match = _KIND.match(entry.step.rpartition("/")[2])
    if match is None or match.group() not in steps.KINDS:
        return
    kind = match.group()
    (number,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM durations WHERE kind = ?", (kind,)).fetchone()
    connection.execute("INSERT INTO durations VALUES (?, ?, ?)", (kind, number, entry.seconds))
    connection.execute("DELETE FROM durations WHERE kind = ? AND number <= ?", (kind, number - LEARNED_FROM))


def outputs(connection: sqlite3.Connection) -> dict[StackName, dict[str, jsons.Json]]:
    """Return the outputs of the last apply that was done, by stack."""
    import json

    found: dict[StackName, dict[str, jsons.Json]] = {}
    for stack, name, value in connection.execute("SELECT stack, name, value FROM outputs ORDER BY stack, name"):
        found.setdefault(stack, {})[name] = json.loads(value)
    return found
