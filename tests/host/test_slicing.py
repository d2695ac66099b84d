"""The contract: how much memory makes how many slices, and what each of them gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.host import slicing
from herocloud.model import ids
from herocloud.model.hosts import SLICE_MEMORY
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record

GIB, TIB = 1024**3, 1024**4
SIZES = st.integers(0, 16 * TIB)


@pytest.mark.parametrize(
    ("memory", "disk", "slices", "each"),
    [
        (32, 2048, 7, 292),
        (256, 8192, 63, 130),
        (64, 1000, 15, 66),
        (16, 500, 3, 166),
        (8, 100, 1, 100),
        (5, 100, 1, 100),
        (9, 100, 2, 50),
        (1024, 16384, 255, 64),
        (4, 100, 0, 0),
        (1, 100, 0, 0),
        (0, 0, 0, 0),
    ],
)
def test_slices_follow_the_formula(memory, disk, slices, each) -> None:
    assert slicing.slice_count(memory * GIB) == slices
    made = slicing.make_slices(memory * GIB, disk * GIB)
    assert len(made) == slices
    assert {(one.memory, one.disk) for one in made} == ({(4 * GIB, each * GIB)} if slices else set())


@pytest.mark.parametrize(
    ("reserve", "kept_disk", "slices", "each"),
    [(1, 0, 7, 292), (0, 0, 8, 256), (4, 0, 7, 292), (5, 0, 6, 341), (40, 0, 0, 0), (1, 48, 7, 285), (1, 4096, 7, 0)],
)
def test_reserves_are_taken_off_first(reserve, kept_disk, slices, each) -> None:
    made = slicing.make_slices(32 * GIB, 2048 * GIB, reserve_memory=reserve * GIB, reserve_disk=kept_disk * GIB)
    assert [one.disk for one in made] == [each * GIB] * slices


def test_a_byte_less_than_the_next_slice_is_not_the_next_slice() -> None:
    assert slicing.slice_count(9 * GIB - 1) == 1
    assert slicing.slice_count(9 * GIB) == 2


def test_slices_are_named_from_one_in_base_36() -> None:
    names = [one.sid for one in slicing.make_slices(256 * GIB, TIB)]
    assert (names[0], names[8], names[9], names[34], names[35], names[-1]) == ("s1", "s9", "sa", "sz", "s10", "s1r")


@given(memory=SIZES, disk=SIZES, reserve=SIZES, kept=SIZES)
def test_slices_never_promise_more_than_there_is(memory, disk, reserve, kept) -> None:
    made = slicing.make_slices(memory, disk, reserve_memory=reserve, reserve_disk=kept)
    assert sum(one.memory for one in made) <= max(0, memory - reserve)
    assert sum(one.disk for one in made) <= max(0, disk - kept)
    assert memory - reserve - sum(one.memory for one in made) < SLICE_MEMORY


@given(memory=SIZES, more=SIZES)
def test_more_memory_never_takes_a_slice_away(memory, more) -> None:
    before = [one.sid for one in slicing.make_slices(memory, TIB)]
    after = [one.sid for one in slicing.make_slices(memory + more, TIB)]
    assert after[: len(before)] == before


@given(count=st.integers(0, 40), numbers=st.sets(st.integers(1, 60)))
def test_a_machine_that_shrank_keeps_the_slices_in_use_as_far_as_there_is_memory(count, numbers) -> None:
    in_use = [ids.slice_sid(number) for number in sorted(numbers)]
    made = [one.sid for one in slicing.make_slices((4 * count + 1) * GIB, TIB, in_use=in_use)]
    assert len(made) == len(set(made)) == count
    assert made == sorted(made, key=ids.sid_number)
    assert len(set(in_use) & set(made)) == min(count, len(in_use))
    if len(in_use) <= count and not any(number > count for number in numbers):
        assert made == [ids.slice_sid(number) for number in range(1, count + 1)]


def vm(name: str, *slices: str, kind: str = "vm") -> Record:
    return Record(StackName("shop"), Address(f"{kind}.{name}"), kind, "simulator", {"slices": list(slices)}, {}, complete=True)


def test_vms_beyond_the_end_of_the_memory_are_named() -> None:
    slices = slicing.make_slices(13 * GIB, TIB)
    (found,) = slicing.check_shrunk([vm("a", "s1", "s2"), vm("b", "s3", "s4"), vm("c", "s9"), vm("d", "s9", kind="volume")], slices)
    assert found.code == "host-shrank"
    assert found.is_error
    assert "`vm.b` of stack `shop` (s4), `vm.c` of stack `shop` (s9) hold slices" in found.detail
    assert "vm.a" not in found.detail


def test_vms_that_fit_are_nobody_s_trouble() -> None:
    assert slicing.check_shrunk([vm("a", "s1"), vm("b")], slicing.make_slices(32 * GIB, TIB)) == ()


def test_a_host_without_a_slice_is_a_warning_that_tells_the_numbers() -> None:
    (found,) = slicing.check_size(4 * GIB, 0)
    assert (found.code, found.is_error) == ("host-too-small", False)
    assert "One slice takes 4 GiB beside the 1 GiB that the host keeps, and there are 4 GiB" in found.detail
    assert slicing.check_size(5 * GIB, 1) == ()


def test_slices_that_are_gone_are_a_warning() -> None:
    (found,) = slicing.check_fewer(7, 5)
    assert (found.code, found.is_error) == ("host-fewer-slices", False)
    assert "had 7 slices and now has memory for 5" in found.detail
    assert slicing.check_fewer(5, 7) == slicing.check_fewer(5, 5) == ()
