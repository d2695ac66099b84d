"""The past stays as it was: every serial can be shown and compared."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from herocloud.state import store as states


def test_each_operation_counts_what_it_changed(store, make) -> None:
    apply = store.begin(make.plan(), 10.0)
    store.commit(apply, make.put(make.record("volume.a"), make.record("volume.b"), make.record("vm.c", "s1")))
    store.edit("state rm", make.stack, [make.remove("volume.a")], at=20.0)
    store.begin(make.plan("p2", operation="destroy"), 30.0)
    store.commit(2, [*make.put(make.record("volume.b", spec={"size": 2}), make.record("volume.d")), make.remove("vm.c")])
    counts = [(one.serial, one.at, one.operation, one.plan, one.stack, one.added, one.changed, one.destroyed) for one in store.history()]
    assert counts == [
        (3, 30.0, "destroy", "p2", "shop", 1, 1, 1),
        (2, 20.0, "state rm", None, "shop", 0, 0, 1),
        (1, 10.0, "apply", "p1", "shop", 3, 0, 0),
    ]


def test_what_was_made_and_removed_by_one_operation_was_never_there(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, make.put(make.record("volume.a")))
    store.commit(apply, [make.remove("volume.a")])
    (version,) = store.history()
    assert (version.added, version.changed, version.destroyed) == (0, 0, 0)


def test_a_record_that_is_written_again_unchanged_is_no_change(store, make) -> None:
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("volume.a")))
    store.commit(store.begin(make.plan("p2"), 2.0), make.put(make.record("volume.a")))
    assert [one.changed for one in store.history()] == [0, 0]
    assert store.diff(1, 2) == []


def test_a_diff_reads_in_both_directions(store, make) -> None:
    small, large = make.record("volume.a", spec={"size": 1}), make.record("volume.a", spec={"size": 2})
    gone, new = make.record("volume.b"), make.record("volume.c")
    store.commit(store.begin(make.plan(), 1.0), make.put(small, gone))
    store.commit(store.begin(make.plan("p2"), 2.0), [*make.put(large, new), make.remove("volume.b")])
    there = [(one.address, one.what, one.before, one.after) for one in store.diff(1, 2)]
    assert there == [("volume.a", "changed", small, large), ("volume.b", "removed", gone, None), ("volume.c", "added", None, new)]
    back = [(one.address, one.what, one.before, one.after) for one in store.diff(2, 1)]
    assert back == [("volume.a", "changed", large, small), ("volume.b", "added", None, gone), ("volume.c", "removed", new, None)]


def test_what_came_back_as_it_was_is_no_difference(store, make) -> None:
    record = make.record("volume.a")
    store.commit(store.begin(make.plan(), 1.0), make.put(record))
    store.edit("state rm", make.stack, [make.remove("volume.a")])
    store.edit("adopt", make.stack, make.put(record))
    assert store.diff(1, 3) == []
    assert [one.what for one in store.diff(1, 2)] == ["removed"]


def test_the_serial_before_the_first_is_an_empty_world(store, make) -> None:
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("volume.a")))
    assert store.records_at(0) == {}
    assert [one.what for one in store.diff(0, 1)] == ["added"]


def test_a_serial_that_never_was_is_refused_with_those_there_are(store, refused_with) -> None:
    for ask in (lambda: store.records_at(1), lambda: store.diff(0, -1)):
        found = refused_with(ask)
        assert found.code == "unknown-serial"
        assert "serials 0 to 0" in found.detail


ADDRESSES = [f"volume.{letter}" for letter in "abc"]
CHANGE = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(ADDRESSES), st.integers(0, 2)),
    st.tuples(st.just("remove"), st.sampled_from(ADDRESSES), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.lists(CHANGE, max_size=4), max_size=6))
def test_every_serial_shows_the_world_of_its_time(operations, make, tmp_path_factory) -> None:
    world: dict[str, object] = {}
    worlds = [dict(world)]
    with states.open_state(tmp_path_factory.mktemp("history"), write=True) as store:
        for changes in operations:
            entries = []
            for what, address, size in changes:
                if what == "put":
                    world[address] = make.record(address, spec={"size": size})
                    entries += make.put(world[address])
                else:
                    world.pop(address, None)
                    entries.append(make.remove(address))
            store.edit("edit", make.stack, entries)
            worlds.append(dict(world))
        for serial, then in enumerate(worlds):
            assert store.records_at(serial).get(make.stack, {}) == then
        for old, before in enumerate(worlds):
            for new, after in enumerate(worlds):
                changed = {one.address: (one.before, one.after) for one in store.diff(old, new)}
                keys = before.keys() | after.keys()
                assert changed == {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}
        for version in store.history():
            before, after = worlds[version.serial - 1], worlds[version.serial]
            assert version.added == len(after.keys() - before.keys())
            assert version.destroyed == len(before.keys() - after.keys())
            assert version.changed == sum(before[key] != after[key] for key in before.keys() & after.keys())
