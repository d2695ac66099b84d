"""The needs of records follow a rename in the same entry of the journal, and go back with it."""

import pytest

from herocloud.model.plans import Plan
from herocloud.model.words import Action
from herocloud.model.worlds import Record


def _record(address: str, *needs: str) -> Record:
    return Record("shop", address, address.partition(".")[0], "fake", {}, {}, True, needs=needs)


def _move(step, change, origin: str, target: str, *after: str):
    moved = change(target, Action.MOVE, previous_address=origin)
    mark = step(f"{target}/vm.move", part="mark", needs=after, before={"address": origin}, after={"address": target}, last=True)
    return moved, mark


@pytest.fixture
def shifted(bench, step, change, plan) -> Plan:
    """Rename b to c and then a to b, with users of both, and make something after all of that."""
    known = [_record("vm.a"), _record("vm.b"), _record("vm.both", "vm.a", "vm.b"), _record("vm.one", "vm.b"), _record("vm.none", "image.i")]
    bench.store.records = {record.address: record for record in known}
    bench.world.parts = {("vm.c", "mark"): {"address": "vm.b"}, ("vm.b", "mark"): {"address": "vm.a"}}
    first, first_step = _move(step, change, "vm.b", "vm.c")
    second, second_step = _move(step, change, "vm.a", "vm.b", "vm.c/vm.move")
    user = change("vm.one", Action.UPDATE, needs=("vm.b",))
    last = step("vm.one/disk.create", needs=["vm.b/vm.move"], last=True)
    return plan([first_step, second_step, last], [first, second, user])


def _needs(bench) -> dict[str, tuple[str, ...]]:
    return {address: record.needs for address, record in bench.store.records.items() if record.needs}


def test_needs_follow_a_name_that_another_takes_over(bench, shifted) -> None:
    bench.world.fail("vm.one/disk.create")
    bench.execute(shifted)
    assert _needs(bench) == {"vm.both": ("vm.b", "vm.c"), "vm.one": ("vm.c",), "vm.none": ("image.i",)}


def test_a_change_that_is_done_has_the_needs_of_its_target(bench, shifted) -> None:
    bench.execute(shifted)
    assert _needs(bench) == {"vm.both": ("vm.b", "vm.c"), "vm.one": ("vm.b",), "vm.none": ("image.i",)}


def test_needs_change_in_the_entry_of_the_rename(bench, shifted) -> None:
    bench.execute(shifted)
    followers = {entry.step: {one.address for one in entry.followers} for some in bench.store.commits for entry in some if entry.followers}
    assert followers == {"vm.c/vm.move": {"vm.both", "vm.one"}, "vm.b/vm.move": {"vm.both"}}


def test_a_rollback_ends_in_the_records_before(bench, shifted) -> None:
    before = dict(bench.store.records)
    bench.world.fail("vm.one/disk.create")
    assert bench.execute(shifted, on_failure="rollback").rolled_back
    assert bench.store.records == before
