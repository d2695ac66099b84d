"""Records changed by hand: one serial each, and nothing but the state is touched."""

import pytest

from herocloud.model.ids import Address
from herocloud.state import edits as state_edits
from herocloud.state.store import Store

A = Address("vm.a")


@pytest.fixture
def edited(store, make) -> Store:
    """Return a store with two VMs of which one needs the other."""
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("vm.a", "s1"), make.record("vm.c", needs=(Address("image.x"), A))))
    return store


def test_removal_forgets_the_record_and_frees_its_slices(edited, make) -> None:
    assert state_edits.remove_record(edited, make.stack, A) == 2
    assert list(edited.recorded().records["shop"]) == ["vm.c"]
    assert edited.assignments() == {}
    assert [(one.operation, one.destroyed) for one in edited.history()[:1]] == [("state rm", 1)]


def test_protection_is_kept_in_the_state(edited, make) -> None:
    state_edits.set_protect(edited, make.stack, A, protect=True)
    assert edited.record(make.stack, A).protect
    state_edits.set_protect(edited, make.stack, A, protect=False)
    assert not edited.record(make.stack, A).protect
    assert [one.operation for one in edited.history()[:2]] == ["unprotect", "protect"]


@pytest.mark.parametrize("edit", ["remove", "protect"])
def test_what_is_not_recorded_is_refused_with_the_nearest_name(edited, make, edit, refused_with) -> None:
    wrong = Address("vm.aa")
    edits = {
        "remove": lambda: state_edits.remove_record(edited, make.stack, wrong),
        "protect": lambda: state_edits.set_protect(edited, make.stack, wrong, protect=True),
    }
    found = refused_with(edits[edit])
    assert (found.code, found.address, found.hint) == ("not-recorded", "vm.aa", "did you mean `vm.a`?")
    assert edited.serial == 1
