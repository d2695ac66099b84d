"""Records change with the journal, in one transaction or not at all."""

from collections.abc import Mapping

import pytest

from herocloud.model.errors import Conflict
from herocloud.model.ids import Address
from herocloud.model.worlds import Record


@pytest.fixture
def apply(store, make) -> int:
    return store.begin(make.plan(), 1.0)


def records(store) -> Mapping[str, Mapping[str, Record]]:
    return store.recorded().records


def test_a_record_comes_back_as_it_was_given(store, apply, make) -> None:
    record = make.record(
        "vm.web[0]", "s1", sid="v1", needs=(Address("image.debian12"), Address("network.lan")), protect=True, complete=False
    )
    store.commit(apply, make.put(record))
    assert records(store) == {"shop": {"vm.web[0]": record}}
    assert store.record(make.stack, record.address) == record


def test_what_json_can_hold_survives(store, apply, make) -> None:
    spec = {
        "texts": ["ü", "\u2028", "\x00", "'; --", "𝄞"],
        "numbers": [0, -1, 2**53, 1.5],
        "nested": {"none": None, "no": False, "empty": [{}]},
    }
    store.commit(apply, make.put(make.record("volume.data", spec=spec)))
    assert records(store)["shop"]["volume.data"].spec == spec


def test_a_later_record_takes_the_place_of_the_earlier(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("volume.data", spec={"size": 1}), make.record("volume.data", spec={"size": 2})))
    assert records(store)["shop"]["volume.data"].spec == {"size": 2}


def test_removal_takes_a_record_away_and_may_be_said_twice(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("volume.data")))
    store.commit(apply, [make.remove("volume.data")])
    store.commit(apply, [make.remove("volume.data")])
    assert records(store) == {}


def test_a_rename_keeps_everything_but_the_address_and_may_be_said_twice(store, apply, make) -> None:
    record = make.record("vm.www", "s1", sid="v1")
    store.commit(apply, make.put(record))
    for _ in range(2):
        store.commit(apply, [make.rename("vm.www", "vm.web")])
    assert records(store) == {"shop": {"vm.web": record._replace(address="vm.web")}}
    assert store.assignments() == {"s1": ("shop", "vm.web")}


@pytest.mark.parametrize("there", [(), ("vm.a", "vm.b")], ids=["of nothing", "onto another"])
def test_a_rename_that_makes_no_sense_is_a_conflict_and_changes_nothing(store, apply, make, there) -> None:
    store.commit(apply, make.put(*(make.record(address) for address in there)))
    before = records(store)
    with pytest.raises(Conflict, match=r"vm\.b"):
        store.commit(apply, [make.rename("vm.a", "vm.b")])
    assert records(store) == before


def test_one_entry_removes_then_renames_then_records(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", "s1"), make.record("vm.b", "s2")))
    last = make.record("vm.b", "s1", parts={})
    entry = make.remove("vm.b")._replace(rename=make.rename("vm.a", "vm.b").rename, record=last)
    store.commit(apply, [entry])
    assert records(store) == {"shop": {"vm.b": last}}


def test_the_same_address_in_two_stacks_is_two_records(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.web", "s1"), make.record("vm.web", "s2", stack="blog")))
    assert {stack: list(inside) for stack, inside in records(store).items()} == {"blog": ["vm.web"], "shop": ["vm.web"]}


def test_the_order_of_records_does_not_depend_on_when_they_came(store, apply, make) -> None:
    for address in ("vm.b", "image.x", "vm.a"):
        store.commit(apply, make.put(make.record(address)))
    assert list(records(store)["shop"]) == ["image.x", "vm.a", "vm.b"]


def test_an_entry_of_an_unknown_apply_is_refused_by_the_database(store, apply, make) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.commit(apply + 1, make.put(make.record()))
    assert records(store) == {}


def test_a_batch_with_one_bad_entry_leaves_no_trace(store, apply, make) -> None:
    with pytest.raises(Conflict):
        store.commit(apply, [*make.put(make.record("volume.data")), make.rename("vm.a", "vm.b")])
    assert records(store) == {}
    assert store.unfinished().states == {}


def test_applies_that_make_the_same_image_at_once_each_write_its_record(store, make) -> None:
    first, second, third = (store.begin(make.plan(name), 1.0) for name in ("p1", "p2", "p3"))
    for apply, size in ((first, 1), (second, 1), (third, 2), (second, 3), (first, 4), (third, 5)):
        store.commit(apply, make.put(make.record("image.tiny", spec={"size": size})))
        assert records(store)["shop"]["image.tiny"].spec == {"size": size}
