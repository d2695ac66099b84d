"""What an apply costs the disk and the database: durable at every turn, and no more work than that takes."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.state import connections


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect every statement that a writer of the state runs."""
    seen: list[str] = []
    real: Callable[..., sqlite3.Connection] = connections.open_for_writing

    def watched(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = real(*arguments, **named)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(connections, "open_for_writing", watched)
    return seen


def test_a_step_takes_few_statements(site: Any, statements: list[str]) -> None:
    text = "stack: many\nnetworks:\n" + "".join(f"  n{number}: {{cidr: 10.{number}.0.0/24}}\n" for number in range(60))
    plan = site.plan(text)
    statements.clear()
    site.run(plan)
    # How many turns there are depends on how busy the machine is: what each turn does once is not counted.
    once = ("durations", "SELECT serial FROM world")
    run = [one for one in statements if not one.startswith(("BEGIN", "COMMIT", "--")) and not any(words in one for words in once)]
    # Two lines of the journal, a look at the record, and its two versions; what an apply does once is the rest.
    assert len(run) / len(plan.steps) < 6, "\n".join(run[-40:])


def test_a_turn_is_one_transaction_with_the_intents_before_the_acts(site: Any, statements: list[str]) -> None:
    plan = site.plan("stack: one\nnetworks:\n  lan: {cidr: 10.1.0.0/24}\n")
    statements.clear()
    site.run(plan)
    told = [one for one in statements if one.startswith(("COMMIT", "INSERT INTO journal"))]
    order = [word for one in told for word in ("COMMIT", "'intent'", "'done'") if word in one]
    assert order.count("COMMIT") == 4, "begin, intent, outcome, finish: each is durable before the next"
    assert [word for word in order if word != "COMMIT"] == ["'intent'", "'done'"]
    assert order.index("'intent'") < len(order) - 1 - order[::-1].index("COMMIT")


APPLY = """\
import sys
from herocloud.cli import entry
sys.argv = ["herocloud", "apply", "-y", "-q", "--parallelism", "1"]
raise SystemExit(entry.main())
"""


@pytest.mark.skipif(not Path("/usr/bin/strace").exists(), reason="strace is not there to count what reaches the disk")
def test_every_turn_reaches_the_disk_once(herocloud: Any, tmp_path: Path) -> None:
    herocloud.write("stack: one\nnetworks:\n  lan: {cidr: 10.1.0.0/24}\n")
    herocloud.done("apply", "-y", "-q")
    alone, together = (_syncs_of(herocloud, tmp_path, networks) for networks in (["n2"], ["n3", "n4", "n5"]))
    assert alone >= 4, "begin, intent, outcome and finish each wait for the disk"
    assert together == alone + 2, "the turn in which a step ends and the next one begins waits once"


def _syncs_of(herocloud: Any, folder: Path, networks: list[str]) -> int:
    """Add networks, one step after the other, and count how often the journal waits for the disk."""
    stack = herocloud.folder / "stack.yaml"
    more = "".join(f"  {name}: {{cidr: 10.{name[1:]}.0.0/24}}\n" for name in networks)
    stack.write_text(stack.read_text(encoding="utf-8") + more, encoding="utf-8")
    log = folder / "calls"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(log), sys.executable, "-c", APPLY]
    subprocess.run(command, cwd=herocloud.folder, env={**os.environ}, check=True, capture_output=True, timeout=120)
    return sum("state.db-wal" in line for line in log.read_text(encoding="utf-8").splitlines())
