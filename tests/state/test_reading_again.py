"""A reader that stays does not read again what nobody has written since, and answers what one who reads everything answers."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.ids import Address, StackName, StepId
from herocloud.state import data_makers, records, state_files, step_durations
from herocloud.state import store as states
from herocloud.state.store import Entry, Grant, Store

from .conftest import SHOP, Make


def read_all(folder: Path) -> Any:
    opened = states.open_state(folder, write=False)
    assert opened is not None
    with opened:
        return opened.recorded(checked=True)


def test_what_nobody_changed_is_the_same_record_again(store: Store, make: Make, folder: Path) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, make.put(make.record("vm.web[0]"), make.record("vm.web[1]"), make.record("volume.data")))
    kept = records.Kept()
    before = store.recorded_again(kept).records[SHOP]
    store.commit(apply, [*make.put(make.record("vm.web[1]", protect=True)), make.remove("volume.data")])
    after = store.recorded_again(kept).records[SHOP]
    assert after[Address("vm.web[0]")] is before[Address("vm.web[0]")]
    assert after[Address("vm.web[1]")].protect
    assert list(after) == ["vm.web[0]", "vm.web[1]"]


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_that_stays_answers_like_one_who_reads_everything(seed: int, store: Store, make: Make, folder: Path) -> None:
    chance = random.Random(seed)
    apply = store.begin(make.plan(), 1.0)
    kept = records.Kept()
    for number in range(40):
        address = f"vm.web[{chance.randrange(6)}]"
        there = Address(address) in store.recorded().records.get(SHOP, {})
        if there and chance.random() < 0.4:
            store.commit(apply, [make.remove(address)])
        else:
            store.commit(apply, make.put(make.record(address, sid=f"v{address[7]}", protect=chance.random() < 0.5)))
        if chance.random() < 0.3:
            other = make.record(f"vm.db[{number}]", stack="other")
            store.commit(apply, make.put(other._replace(sid=None)))
        now, everything = store.recorded_again(kept), read_all(folder)
        assert now == everything
        assert [list(inside) for inside in now.records.values()] == [list(inside) for inside in everything.records.values()]


def test_a_row_that_is_damaged_and_mended_again_is_noticed(store: Store, make: Make, folder: Path) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, make.put(make.record("vm.web[0]"), make.record("vm.web[1]")))
    kept = records.Kept()
    store.recorded_again(kept)

    def write(body: str) -> None:
        with sqlite3.connect(state_files.database(folder)) as connection:
            connection.execute("UPDATE records SET body = ? WHERE address = 'vm.web[0]'", (body,))

    sound = records.write_body(make.record("vm.web[0]"))
    write("[1, 2]")
    for _ in range(2):
        damaged = store.recorded_again(kept)
        assert damaged.damaged.keys() == {SHOP}
        assert list(damaged.records[SHOP]) == ["vm.web[1]"]
    write(sound)
    assert store.recorded_again(kept).damaged == {}
    assert list(store.recorded_again(kept).records[SHOP]) == ["vm.web[0]", "vm.web[1]"]


def test_what_an_apply_holds_is_read_once(store: Store, make: Make, folder: Path) -> None:
    first = store.begin(make.plan("p1"), 1.0, prepared=store.prepare(make.plan("p1"), Grant(reserved=(make.record("vm.web[0]"),))))
    kept = records.Kept()
    before = store.recorded_again(kept).reserved[SHOP]
    store.begin(make.plan("p2"), 1.0, prepared=store.prepare(make.plan("p2"), Grant(reserved=(make.record("vm.web[1]"),))))
    after = store.recorded_again(kept).reserved[SHOP]
    assert after[Address("vm.web[0]")] is before[Address("vm.web[0]")]
    assert after == read_all(folder).reserved[SHOP]
    store.finish(first, "done", 2.0)
    assert list(store.recorded_again(kept).reserved[SHOP]) == ["vm.web[1]"]


def done(kind: str, number: int = 0) -> Entry:
    return Entry(StepId(f"vm.web[{number}]/{kind}"), "done", 1.0)


def test_who_made_data_is_known_of_applies_that_ended_and_of_those_that_run(store: Store, make: Make, folder: Path) -> None:
    read = data_makers.Read()

    def both() -> tuple[Any, Any]:
        return store.data_makers(SHOP, read), data_makers.MakersIn(folder)(SHOP)

    first = store.begin(make.plan("p1"), 1.0)
    store.commit(first, [done("disk.create", 0), done("vm.create", 0)])
    second = store.begin(make.plan("p2", stack=StackName("other")), 1.0)
    store.commit(second, [done("disk.create", 0)])
    assert both() == ({"vm.web[0]": "apply-1"},) * 2
    # The first goes on, while the second has ended.
    store.finish(second, "done", 2.0)
    store.commit(first, [done("disk.create", 1), done("disk.grow", 0)])
    assert both() == ({"vm.web[0]": "apply-1", "vm.web[1]": "apply-1"},) * 2
    store.finish(first, "done", 2.0)
    third = store.begin(make.plan("p3"), 1.0)
    assert both() == ({"vm.web[0]": "apply-1", "vm.web[1]": "apply-1"},) * 2
    store.commit(third, [done("disk.place", 0)])
    assert both() == ({"vm.web[0]": "apply-3", "vm.web[1]": "apply-1"},) * 2
    assert store.data_makers(StackName("other"), read) == {"vm.web[0]": "apply-2"}


def test_the_journal_of_applies_that_ended_is_read_once(
    store: Store, make: Make, monkeypatch: pytest.MonkeyPatch, open_store: Callable[[], Store]
) -> None:
    for number in range(20):
        apply = store.begin(make.plan(f"p{number}"), 1.0)
        store.commit(apply, [done("disk.create", number)])
        store.finish(apply, "done", 2.0)
    read = data_makers.Read()
    store.data_makers(SHOP, read)
    asked: list[tuple[object, ...]] = []
    original = data_makers._newest

    def note(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> Any:
        asked.append(values)
        return original(connection, where, values)

    monkeypatch.setattr(data_makers, "_newest", note)
    assert len(store.data_makers(SHOP, read)) == 20
    assert asked == [(20,)]


def test_only_the_durations_of_steps_that_ran_are_sorted_again(store: Store, make: Make) -> None:
    kept, medians = records.Kept(), step_durations.Medians()
    chance = random.Random(7)
    asked: list[str] = []
    kinds = ("vm.boot", "vm.stop", "vm.create", "tap.create")
    for number in range(70):
        apply = store.begin(make.plan(f"p{number}"), 1.0)
        ran = kinds if number == 0 else [chance.choice(kinds)]
        done = [Entry(StepId(f"vm.a/{kind}"), "done", 1.0, seconds=chance.random()) for kind in ran]
        store.commit(apply, done)
        store.finish(apply, "done", 2.0, providers={one.step: "one" for one in done})
        store._connection.set_trace_callback(asked.append)
        found = store.recorded_again(kept, medians).durations
        store._connection.set_trace_callback(None)
        assert found == store.durations()
        assert sum("SELECT seconds FROM durations" in statement for statement in asked) == len(ran)
        asked.clear()
