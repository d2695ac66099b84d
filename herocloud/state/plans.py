"""Whole plans in the database, for resume and undo.

The head of a plan (all but its changes and steps) is one piece, then come changes and steps by the hundred, each piece compressed:
the steps of one plan resemble each other so much that a plan of fifty megabytes takes two.
"""

import itertools
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from herocloud.model import filing
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import Step
from herocloud.state import failing

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
    whole: Plan = parts["head"][0]._replace(changes=tuple(parts["change"]), steps=tuple(parts["step"]))
    return whole


def load_head(connection: sqlite3.Connection, apply: int, path: Path) -> Plan:
    """Return the plan of an apply without its changes and steps."""
    head: Plan = _unpress(connection, apply, path, "part = 'head'")["head"][0]
    return head


def _unpress(connection: sqlite3.Connection, apply: int, path: Path, condition: str) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {"head": [], "change": [], "step": []}
    rows = connection.execute(f"SELECT part, body FROM pieces WHERE apply = ? AND {condition} ORDER BY id", (apply,))  # noqa: S608  (ours)
    try:
        for part, body in rows:
            parts[part] += [filing.decode(_KINDS[part], data) for data in json.loads(zlib.decompress(body))]
    except (zlib.error, ValueError) as error:
        raise failing.damaged(path, f"the plan of apply {apply} cannot be read ({error})") from error
    if len(parts["head"]) != 1:
        raise failing.damaged(path, f"the plan of apply {apply} is not there")
    return parts


def _pieces(apply: int, plan: Plan) -> Iterator[tuple[int, str, bytes]]:
    yield apply, "head", _press([plan._replace(changes=(), steps=())])
    for part, items in (("change", plan.changes), ("step", plan.steps)):
        remaining = iter(items)
        while piece := tuple(itertools.islice(remaining, _PER_PIECE)):
            yield apply, part, _press(piece)


def _press(items: Iterable[Any]) -> bytes:
    return zlib.compress(_encode([filing.encode(item) for item in items]).encode(), _QUICKLY)
