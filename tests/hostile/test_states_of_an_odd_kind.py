"""A database that was changed by hand, a clock that was wrong: each is told with its reason, and nothing is lost by it."""

import contextlib
import sqlite3
from typing import Any

import pytest

pytestmark = pytest.mark.world

COMMANDS = (("plan",), ("state", "log"), ("state", "list"), ("drift",), ("vm", "list"), ("apply", "-y"), ("undo", "--no-input"))


def change(folder: Any, *orders: str, database: str = "state.db") -> None:
    with contextlib.closing(sqlite3.connect(folder / database)) as state, state:
        for order in orders:
            state.execute(order)


def run_all(herocloud: Any) -> dict[str, Any]:
    found = {}
    for words in COMMANDS:
        ran = found[" ".join(words)] = herocloud(*words)
        assert "defect" not in ran.err, ran.both
        assert "Traceback" not in ran.err, ran.both
        assert ran.code in (0, 1, 12), ran.both
    return found


def test_a_format_of_zero(shop: Any) -> None:
    change(shop.data_folder, "PRAGMA user_version = 0")
    assert "its `user_version` is 0" in run_all(shop)["plan"].err


def test_a_format_that_is_too_low(shop: Any) -> None:
    change(shop.data_folder, "PRAGMA user_version = 1")
    assert "its `user_version` is 1" in run_all(shop)["plan"].err


def test_a_journal_that_is_gone(shop: Any) -> None:
    change(shop.data_folder, "DROP TABLE journal")
    shop.write((shop.folder / "stack.yaml").read_text().replace("  b:", "  c: {image: tiny}\n  b:"))
    found = run_all(shop)
    assert found["vm list"].code == 0
    assert "no such table: journal" in found["apply -y"].err


def test_times_that_no_calendar_has(shop: Any) -> None:
    change(shop.data_folder, "UPDATE serials SET at = 1e18", "UPDATE applies SET started = 1e300, ended = -1e300")
    assert "9999-12-31" in run_all(shop)["state log"].out
    change(shop.data_folder, "UPDATE serials SET at = -1e18")
    assert "1970-01-01" in run_all(shop)["state log"].out


@pytest.mark.parametrize(
    "order",
    [
        "UPDATE records SET body = CAST(x'ff' AS TEXT) WHERE address = 'vm.a'",
        "UPDATE records SET body = replace(body, 'tiny', CAST(x'ff' AS TEXT)) WHERE address = 'vm.a'",
    ],
    ids=["all of it", "a piece"],
)
def test_a_record_that_is_not_utf_8(shop: Any, order: str) -> None:
    change(shop.data_folder, order)
    found = run_all(shop)
    assert "A record cannot be read" in found["plan"].err
    assert "vm.b" in found["vm list"].out


def test_a_user_that_is_not_utf_8(shop: Any) -> None:
    change(shop.data_folder, "UPDATE serials SET user = CAST(x'ff41' AS TEXT)")
    assert run_all(shop)["state log"].code == 0


def test_data_deleted_while_the_clock_was_back_is_kept_its_time(shop: Any) -> None:
    text = (shop.folder / "stack.yaml").read_text()
    shop.write(text + "volumes:\n  data: {size: 1 GiB}\n")
    shop.done("apply", "-y", "-q")
    shop.write(text)
    shop.done("apply", "-y", "-q")
    # As a host does that boots without a battery: its clock began in 1970, and the network set it later.
    change(shop.data_folder, "UPDATE serials SET at = 1000 WHERE serial = (SELECT max(serial) FROM serials)")
    change(shop.data_folder, "UPDATE tombstones SET deleted = 1001", database="simulator.db")
    shown = shop("state", "gc", "--all", "--no-input").out
    assert "volume.data" in shown
    assert "1970" not in shown, shown
    assert "There is nothing to remove." in shop("state", "gc", "--no-input").out
    shop.write(text.replace("  b:", "  c: {image: tiny}\n  b:"))
    assert "is gone now" not in shop.done("apply", "-y").err
    assert "volume.data" in shop("state", "gc", "--all", "--no-input").out
