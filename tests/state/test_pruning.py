"""History that is thrown away: what goes, and what is known as well as before."""

import sqlite3
from contextlib import closing, nullcontext

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.model.errors import Refused
from herocloud.state import old_history, state_files
from herocloud.state import store as states
from herocloud.state.old_history import Limits

DAY = 86400.0
NOW = 1_000_000 * DAY
EVERYTHING = Limits(0.0, 1, 0.0)


@pytest.fixture(autouse=True)
def few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_history, "ALWAYS_KEPT", 1)


def apply(store, make, name: str, at: float, *entries, stack: str = "shop", status: str | None = "done", **more) -> int:
    number = store.begin(make.plan(name, stack=stack, **more), at)
    store.commit(number, entries)
    if status is not None:
        store.finish(number, status, at)
    return number


def put(make, address: str, size: int, stack: str = "shop"):
    return make.put(make.record(address, stack=stack, spec={"size": size}))[0]


def aged(store, make, *ages: float) -> None:
    for number, age in enumerate(ages, 1):
        apply(store, make, f"p{number}", NOW - age * DAY, put(make, "volume.a", number))


def serials(store) -> list[int]:
    return [version.serial for version in reversed(store.history())]


def test_what_is_older_than_the_days_goes(store, make) -> None:
    aged(store, make, 500, 400, 366, 364, 5, 1)
    pruned = store.prune(Limits(365 * DAY, 100, 8 * DAY), NOW, ())
    assert (pruned.operations, pruned.kept_from) == (3, 4)
    assert serials(store) == [4, 5, 6]


def test_what_is_beyond_the_number_goes(store, make) -> None:
    aged(store, make, 30, 29, 28, 27, 26)
    store.prune(Limits(365 * DAY, 2, 8 * DAY), NOW, ())
    assert serials(store) == [4, 5]


def test_nothing_goes_that_deleted_data_may_need(store, make) -> None:
    aged(store, make, 9, 7, 6, 5, 4)
    store.prune(Limits(DAY, 1, 8 * DAY), NOW, ())
    assert serials(store) == [2, 3, 4, 5]


def test_the_newest_operations_stay_however_old_they_are(store, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_history, "ALWAYS_KEPT", 3)
    aged(store, make, 900, 900, 900, 900, 900)
    store.prune(EVERYTHING, NOW, ())
    assert serials(store) == [3, 4, 5]


def test_one_transaction_throws_away_a_limited_number(store, make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_history, "AT_ONCE", 2)
    aged(store, make, 900, 900, 900, 900, 900)
    assert [store.prune(EVERYTHING, NOW, ()).operations for _ in range(2)] == [2, 2]


def test_where_there_is_nothing_to_do_nothing_is_written(store, make) -> None:
    aged(store, make, 3, 2)
    limits = Limits(365 * DAY, 100, 8 * DAY)
    assert not store.has_history_beyond(limits, NOW)
    assert store.prune(limits, NOW, ()).operations == 0
    assert store.serial == 2


@pytest.mark.parametrize(
    ("times", "first"),
    [
        ([NOW - 400 * DAY, NOW - 5 * DAY, 0.0, NOW - 4 * DAY, NOW - DAY], 2),
        ([NOW - 400 * DAY, NOW + 900 * DAY, NOW - 380 * DAY, NOW - DAY], 4),
        ([NOW - 400 * DAY, NOW - 390 * DAY, NOW + 900 * DAY], 1),
    ],
    ids=["a clock that began in 1970 for a while", "a clock that was ahead for a while", "a clock that is behind now"],
)
def test_a_wrong_clock_makes_nothing_old_that_is_not(store, make, times: list[float], first: int) -> None:
    for number, at in enumerate(times, 1):
        apply(store, make, f"p{number}", at, put(make, "volume.a", number))
    store.prune(Limits(365 * DAY, 100, 8 * DAY), NOW, ())
    assert serials(store)[0] == first


def test_a_serial_whose_history_is_gone_is_refused_with_where_it_begins(store, make, refused_with) -> None:
    aged(store, make, 900, 900, 900)
    store.prune(EVERYTHING, NOW, ())
    for ask in (lambda: store.records_at(2), lambda: store.records_at(0), lambda: store.diff(1, 3)):
        found = refused_with(ask)
        assert found.code == "unknown-serial"
        assert "serials 3 to 3, and the history before them was thrown away" in found.detail
    assert store.diff(3, 3) == []


def test_the_newest_apply_of_each_stack_can_still_be_undone(store, make) -> None:
    apply(store, make, "p1", 1.0, put(make, "volume.x", 1, "quiet"), stack="quiet")
    apply(store, make, "p2", 2.0, put(make, "volume.x", 2, "quiet"), stack="quiet")
    store.edit("state mv", "quiet", [put(make, "volume.x", 3, "quiet")], at=3.0)
    for number in range(3, 8):
        apply(store, make, f"p{number}", float(number), put(make, "volume.a", number))
    store.prune(EVERYTHING, NOW, ())
    assert [(one.stack, one.plan) for one in store.undoable()] == [("shop", "p7"), ("quiet", "p2")]
    assert len(store.load_plan("p2")[0].plan.steps) == 2
    before, after = (side["quiet"]["volume.x"].spec["size"] for side in store.records_around(2))
    assert (before, after) == (1, 2)
    assert store.recorded().records["quiet"]["volume.x"].spec["size"] == 3


def test_an_apply_that_did_not_end_keeps_what_it_needs_to_go_on_or_back(store, make) -> None:
    apply(store, make, "p1", 1.0, put(make, "volume.x", 1, "broken"), stack="broken")
    number = apply(store, make, "p2", 2.0, put(make, "volume.x", 2, "broken"), stack="broken", status="interrupted")
    for name in range(3, 8):
        apply(store, make, f"p{name}", float(name), put(make, "volume.a", name))
    store.prune(EVERYTHING, NOW, ())
    found = store.unfinished(number)
    assert found is not None
    assert len(found.plan.steps) == 2
    assert store.records_around(2)[0]["broken"]["volume.x"].spec["size"] == 1


def test_the_files_of_a_stack_are_known_after_its_apply_is_gone(store, make) -> None:
    apply(store, make, "p1", 1.0, put(make, "volume.a", 1), files=("/etc/shop.yaml",))
    for number in range(2, 6):
        apply(store, make, f"p{number}", float(number), put(make, "volume.a", number), operation="vm stop")
    store.prune(EVERYTHING, NOW, ())
    assert store.last_files("shop") == ("/etc/shop.yaml",)
    assert [one.plan for one in store.undoable()] == ["p5"]
    assert store.load_plan("p1") == []


def test_the_last_record_of_what_lies_on_the_host_without_one_stays(store, make) -> None:
    for name in ("volume.lost", "volume.gone"):
        apply(store, make, f"a-{name}", 1.0, put(make, name, 1))
        apply(store, make, f"b-{name}", 2.0, put(make, name, 2))
        store.edit("state rm", "shop", [make.remove(name)], at=3.0)
    apply(store, make, "p9", 4.0, put(make, "volume.a", 1))
    apply(store, make, "p10", 5.0, put(make, "volume.a", 2))
    store.prune(EVERYTHING, NOW, {("shop", "volume.lost")})
    assert store.last_record("shop", "volume.lost").spec["size"] == 2
    assert store.last_record("shop", "volume.gone") is None
    assert [version.operation for version in store.history()] == ["apply"]


def test_what_killed_in_the_middle_of_it_leaves_everything_as_it_was(store, make, inject) -> None:
    aged(store, make, 900, 900, 900)
    before = store.history()
    inject("state.edit.written:1:eio")
    with pytest.raises(Refused):
        store.prune(EVERYTHING, NOW, ())
    inject()
    assert store.history() == before


CHANGE = st.tuples(
    st.sampled_from(["shop", "web"]),
    st.sampled_from(["apply", "edit", "unfinished"]),
    st.lists(st.tuples(st.sampled_from(["volume.a", "volume.b"]), st.integers(0, 2)), max_size=3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(CHANGE, min_size=2, max_size=9), keep=st.integers(1, 8))
def test_everything_from_the_cut_on_is_known_as_before(operations, keep: int, make, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("pruned")
    with states.open_state(folder, write=True) as store:
        for number, (stack, kind, sizes) in enumerate(operations, 1):
            entries = [put(make, address, size, stack) if size else make.remove(address, stack) for address, size in sizes]
            if kind == "edit":
                store.edit("edit", stack, entries, at=float(number))
            else:
                status = "done" if kind == "apply" else "interrupted"
                apply(store, make, f"p{number}", float(number), *entries, stack=stack, status=status)
        last = len(operations)
        worlds = {serial: store.records_at(serial) for serial in range(last + 1)}
        log, recorded = store.history(), store.recorded()
        newest = {one.stack: one for one in reversed(store.applies()) if one.status == "done"}
        around = {one.serial: store.records_around(one.serial) for one in [*newest.values(), *store.applies()]}
        first = store.prune(Limits(2 * NOW, keep, 0.0), NOW, ()).kept_from
        assert first == (last - keep + 1 if keep < last else 0)
        now = store.recorded()
        assert (now.records, now.unfinished) == (recorded.records, recorded.unfinished)
        for serial in range(max(1, first), last + 1):
            assert store.records_at(serial) == worlds[serial]
        assert [one for one in store.history() if first <= one.serial <= last] == [one for one in log if one.serial >= first]
        for one in [*newest.values(), *(one for one in store.applies() if one.status == "interrupted")]:
            sides = zip(store.records_around(one.serial), around[one.serial], strict=True)
            assert all(now.get(one.stack) == then.get(one.stack) for now, then in sides)
            assert len(store.load_plan(one.plan)[0].plan.steps) == 2
    with closing(sqlite3.connect(state_files.database(folder))) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("fails", [False, True])
def test_references_are_enforced_again_after_it(store, make, monkeypatch: pytest.MonkeyPatch, *, fails: bool) -> None:
    aged(store, make, 900, 900, 900)
    if fails:
        monkeypatch.setattr(old_history, "prune", lambda *_given: pytest.fail("the test's failure"))
    with pytest.raises(BaseException, match="failure") if fails else nullcontext():
        store.prune(EVERYTHING, NOW, ())
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store._connection.execute("UPDATE applies SET serial = 98765 WHERE apply = (SELECT max(apply) FROM applies)")
