import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.kits import sizes
from herocloud.views import values


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("memory", 7 * sizes.GIB, "7 GiB"),
        ("root_disk.size", 1536 * sizes.MIB, "1536 MiB"),
        ("memory_options.hotplug", None, "none"),
        ("root_disk.rate.bandwidth", 250_000_000, "250 MB/s"),
        ("networks.lan.rate.download", 12_500_000, "100 Mbit/s"),
        ("vcpus", 4, "4"),
        ("slices", ["s1", "s2"], "s1, s2"),
        ("slices", [], "none"),
        ("cpu.affinity", [[0, 1], [2, 3]], "[0, 1], [2, 3]"),
        ("volumes", [{"volume": "pgdata", "readonly": True}], "pgdata (readonly)"),
        ("root_disk.direct", False, "false"),
        ("labels.size", "1073741824", "1073741824"),
        ("image", "debian12", "debian12"),
        ("env.EMPTY", "", '""'),
        ("labels.bell", "a\x1b[2Jb", "a\\x1b[2Jb"),
        ("slices", [f"s{i}" for i in range(10)], "s0-s9"),
        ("needs", [f"s{i}" for i in range(10)], "s0, s1, s2, s3, s4, s5 and 4 more"),
    ],
)
def test_values_are_written_as_people_write_them(path, value, shown) -> None:
    assert values.show(path, value) == shown


def test_a_long_text_is_told_by_its_size_and_digest() -> None:
    assert values.show("labels.note", "a\nb\nc").startswith("text of 3 lines (")
    assert values.show("labels.note", "x" * 500).startswith("text of 500 characters (")


def test_what_comes_or_goes_as_a_whole_is_added_or_removed() -> None:
    nic = {"slot": 0, "mac": "52:54:00:00:00:02", "tap": "hc-v1-0", "address": "10.0.0.2", "rate": None}
    assert values.show_pair("networks.lan", None, nic) == "added (mac 52:54:00:00:00:02, address 10.0.0.2)"
    assert values.show_pair("volumes.pgdata", {"readonly": False}, None) == "removed"


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_two_different_sizes_never_look_alike(before, after) -> None:
    first, second = values.show_pair("memory", before, after).split(" → ")
    assert (first == second) == (before == after)


def test_two_different_long_texts_never_look_alike() -> None:
    first, second = values.show_pair("labels.a", "x" * 200, "y" * 200).split(" → ")
    assert first != second


def test_sensitive_paths_are_hidden_whatever_the_caller_says() -> None:
    shown = values.show_pair("user_data", "password: hunter2", "password: hunter3")
    assert "hunter" not in shown
    first, second = shown.split(" → ")
    assert first != second


def test_the_count_of_fields_agrees_with_the_walk_over_them(plans) -> None:
    spec = plans.vm_spec(labels={"a": "1", "b": "2"}, volumes=[{"volume": "x", "readonly": False}])
    assert values.tally_fields(spec) == len(list(values.leaves(spec)))
