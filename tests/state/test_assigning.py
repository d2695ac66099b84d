"""A slice belongs to one VM, whoever believes what."""

import pytest

from herocloud.model.errors import Conflict
from herocloud.state import store as states


@pytest.fixture
def apply(store, make) -> int:
    return store.begin(make.plan(), 1.0)


def test_slices_follow_from_the_records(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.b", "s10", "s2"), make.record("vm.a", "sz"), make.record("volume.data")))
    assert list(store.assignments().items()) == [("s2", ("shop", "vm.b")), ("sz", ("shop", "vm.a")), ("s10", ("shop", "vm.b"))]


def test_a_slice_that_is_held_is_refused_with_the_names_of_both(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", "s1")))
    with pytest.raises(Conflict, match=r"slice s1 .* vm\.b of stack blog .* held by vm\.a of stack shop"):
        store.commit(apply, make.put(make.record("vm.b", "s2", "s1", stack="blog")))
    assert list(store.recorded().records) == ["shop"]
    assert list(store.assignments()) == ["s1"]


def test_a_vm_that_names_a_slice_twice_is_refused(store, apply, make) -> None:
    with pytest.raises(Conflict, match="held by itself, twice"):
        store.commit(apply, make.put(make.record("vm.a", "s1", "s1")))


def test_two_vms_swap_slices_in_one_commit(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", "s1"), make.record("vm.b", "s2")))
    store.commit(apply, make.put(make.record("vm.a", "s2"), make.record("vm.b", "s1")))
    assert store.assignments() == {"s1": ("shop", "vm.b"), "s2": ("shop", "vm.a")}


@pytest.mark.parametrize("leaving", ["removed", "moved away", "grown smaller"])
def test_a_slice_that_is_given_back_may_be_taken_in_the_same_commit(store, apply, make, leaving) -> None:
    store.commit(apply, make.put(make.record("vm.a", "s1", "s2")))
    gives = {
        "removed": [make.remove("vm.a")],
        "moved away": make.put(make.record("vm.a", "s3")),
        "grown smaller": make.put(make.record("vm.a", "s1")),
    }
    store.commit(apply, [*gives[leaving], *make.put(make.record("vm.b", "s2"))])
    assert store.assignments()["s2"] == ("shop", "vm.b")


def test_two_writers_with_the_same_belief_cannot_both_have_it(store, apply, make, folder) -> None:
    with states.open_state(folder, write=True) as other:
        store.commit(apply, make.put(make.record("vm.a", "s1")))
        with pytest.raises(Conflict):
            other.commit(apply, make.put(make.record("vm.b", "s1")))


def test_the_sid_of_a_vm_belongs_to_one_vm(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", sid="v1")))
    with pytest.raises(Conflict, match=r"sid v1 .* vm\.b .* belongs to vm\.a of stack shop"):
        store.commit(apply, make.put(make.record("vm.b", sid="v1")))


def test_the_sid_of_a_vm_that_is_gone_may_be_given_again(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", sid="v1")))
    store.edit("state rm", make.stack, [make.remove("vm.a")])
    store.commit(apply, make.put(make.record("vm.b", sid="v1")))
    assert store.recorded().records["shop"]["vm.b"].sid == "v1"


def test_the_number_of_slices_is_the_highest_that_anybody_ever_spoke_of(store, make) -> None:
    store.commit(store.begin(make.plan(slices_total=7), 1.0), make.put(make.record("vm.a", "s2")))
    assert store.recorded().slices == 7
    store.begin(make.plan("p2", slices_total=5), 1.0)
    store.grow_slices(6)
    assert store.recorded().slices == 7
    store.commit(1, make.put(make.record("vm.b", "sa")))
    assert store.recorded().slices == 10


def test_a_host_that_shrank_may_be_settled_on_but_not_below_what_is_in_use(store, apply, make) -> None:
    store.commit(apply, make.put(make.record("vm.a", "s3")))
    store.grow_slices(9)
    store.settle_slices(4)
    assert store.recorded().slices == 4
    with pytest.raises(Conflict, match=r"slice s3 is held by vm\.a of stack shop"):
        store.settle_slices(2)
    assert store.recorded().slices == 4
