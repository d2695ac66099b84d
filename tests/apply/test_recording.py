"""What a step does to a record, case by case: whole record in, whole record out."""

from typing import Any

import pytest

from herocloud.apply import entries
from herocloud.model.ids import Address, StackName
from herocloud.model.words import Action
from herocloud.model.worlds import Record

STACK = StackName("shop")


def record(parts=None, complete=True, address="vm.a", **spec: Any) -> Record:  # noqa: FBT002  (as in the record itself)
    return Record(STACK, Address(address), "vm", "fake", spec or {"slices": ["s1"]}, parts or {}, complete)


OLD = {"disk": {"size": 1}, "machine": {"vcpus": 1}, "power": "running"}


def test_a_creation_begins_with_its_target_and_without_parts(step, change) -> None:
    one = change("vm.a", after={"slices": ["s1"]}, sid="v1", protect=True, needs=("image.i",))
    made = entries.begin_step(None, one, step("vm.a/disk.create"), STACK, first=True)
    assert made == Record(STACK, "vm.a", "vm", "fake", {"slices": ["s1"]}, {}, False, True, "v1", ("image.i",))


def test_an_adoption_begins_with_the_parts_that_are_there(step, change) -> None:
    one = change("vm.a", Action.ADOPT, before=None, after={"slices": []}, parts_before=OLD)
    assert entries.begin_step(None, one, step("vm.a/record.write"), STACK, first=True).parts == OLD


def test_an_update_begins_with_the_old_target_the_slices_of_both_and_the_parts_as_seen(step, change) -> None:
    one = change("vm.a", Action.UPDATE, after={"slices": ["s2", "s1"]}, parts_before={"machine": {"vcpus": 7}})
    begun = entries.begin_step(record(OLD, slices=["s1"], memory=4), one, step("vm.a/vm.resize"), STACK, first=True)
    assert begun == record({"machine": {"vcpus": 7}}, False, slices=["s1", "s2"], memory=4)


def test_later_steps_keep_what_the_earlier_ones_recorded(step, change) -> None:
    one = change("vm.a", Action.UPDATE, after={"slices": ["s1"]}, parts_before=OLD)
    now = record({"machine": {"vcpus": 2}}, False)
    assert entries.begin_step(now, one, step("vm.a/vm.boot"), STACK, first=False) == now


def test_a_deletion_begins_with_the_record_marked(step, change) -> None:
    one = change("vm.a", Action.DELETE, parts_before=OLD)
    assert entries.begin_step(record(OLD), one, step("vm.a/vm.stop"), STACK, first=True) == record(OLD, False)


def test_a_replacement_turns_to_the_new_target_when_the_old_is_gone(step, change) -> None:
    one = change("vm.a", Action.REPLACE, after={"slices": ["s2"], "image": "new"}, parts_before=OLD)
    begun = entries.begin_step(record(OLD), one, step("vm.a/vm.delete", before={}, after=None), STACK, first=True)
    assert begun.spec == {"slices": ["s1", "s2"]}
    turned = entries.begin_step(begun, one, step("vm.a/disk.create"), STACK, first=False)
    assert turned.spec == {"slices": ["s2", "s1"], "image": "new"}


@pytest.mark.parametrize(
    ("kind", "result", "parts"),
    [
        ("disk.create", {"size": 1}, ({}, {"disk": {"size": 1}})),
        ("disk.delete", None, ({"disk": {"size": 1}}, {})),
        ("vm.create", {"vcpus": 1}, ({}, {"machine": {"vcpus": 1}, "power": "stopped"})),
        ("vm.boot", "running", ({"power": "stopped"}, {"power": "running"})),
        ("vm.delete", None, (OLD, {"disk": {"size": 1}})),
        ("vm.move", {"address": "vm.a"}, (OLD, OLD)),
        ("record.write", None, (OLD, OLD)),
    ],
)
def test_a_done_step_updates_its_part(step, change, kind, result, parts) -> None:
    before, after = parts
    now = entries.complete_step(record(before, False), change("vm.a"), step(f"vm.a/{kind}", after=result), result, STACK)
    assert now == record(after, False)


def test_the_last_step_completes_the_change(step, change) -> None:
    one = change("vm.a", after={"slices": ["s2"]}, sid="v1", protect=True, needs=("image.i",))
    now = entries.complete_step(record(OLD, False), one, step("vm.a/vm.boot", last=True), "running", STACK)
    assert now == Record(STACK, "vm.a", "vm", "fake", {"slices": ["s2"]}, OLD, True, True, "v1", ("image.i",))


def test_the_last_step_of_a_deletion_removes_the_record(step, change) -> None:
    one = change("vm.a", Action.DELETE)
    assert entries.complete_step(record({}, False), one, step("vm.a/disk.delete", last=True), None, STACK) is None


def test_forgetting_removes_the_record_only(step, change) -> None:
    one = change("vm.a", Action.FORGET)
    assert entries.complete_step(record(OLD), one, step("vm.a/record.write", after=None, last=True), None, STACK) is None


def test_deleting_what_nobody_recorded_makes_no_record(step, change) -> None:
    one = change("vm.a", Action.DELETE)
    delete = step("vm.a/vm.delete", before={}, after=None)
    assert entries.begin_step(None, one, delete, STACK, first=True) is None
    assert entries.complete_step(None, one, delete, None, STACK) is None


def test_a_move_renames_the_record(step, change) -> None:
    one = change("vm.b", Action.MOVE, after={"slices": ["s1"]}, previous_address=Address("vm.a"))
    now = entries.complete_step(record(OLD, False), one, step("vm.b/vm.move", last=True), None, STACK)
    assert now == record(OLD, address="vm.b")


@pytest.mark.parametrize(
    ("kind", "was", "before", "after"),
    [
        ("disk.create", None, {"disk": {"size": 1}}, {}),
        ("disk.delete", {"size": 1}, {}, {"disk": {"size": 1}}),
        ("vm.create", None, {"machine": {}, "power": "stopped"}, {}),
        ("vm.delete", {"vcpus": 1}, {}, {"machine": {"vcpus": 1}, "power": "stopped"}),
        ("vm.boot", "stopped", {"power": "running"}, {"power": "stopped"}),
    ],
)
def test_an_undone_step_puts_its_part_back(step, kind, was, before, after) -> None:
    now = entries.undo_step(record(before), step(f"vm.a/{kind}", before=was), record(OLD))
    assert now == record(after, False)


def test_undoing_the_end_of_a_deletion_brings_the_record_back_without_parts(step) -> None:
    now = entries.undo_step(None, step("vm.a/disk.delete", before={"size": 1}, after=None), record(OLD))
    assert now == record({"disk": {"size": 1}}, False)
