"""Sizes, rates and durations: what is written reads back, and what could be read in two ways is refused with the way out."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.kits import sizes


@given(st.integers(min_value=0, max_value=2**70))
def test_a_written_size_reads_back_to_the_same_number(count: int) -> None:
    assert sizes.parse_size(sizes.format_size(count)) == count


@pytest.mark.parametrize("bits", [True, False], ids=["bits", "bytes"])
@given(count=st.integers(min_value=1, max_value=2**45))
def test_a_written_rate_reads_back_to_the_same_number(count: int, *, bits: bool) -> None:
    assert sizes.parse_rate(sizes.format_rate(count, bits=bits)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4 GiB", 4 * 1024**3),
        ("2TiB", 2 * 1024**4),
        ("1.5 GiB", 3 * 512 * 1024**2),
        ("512 MiB", 512 * 1024**2),
        ("0 B", 0),
        (" 7  KiB ", 7168),
    ],
)
def test_sizes_are_read_in_binary_units(text: str, count: int) -> None:
    assert sizes.parse_size(text) == count


@pytest.mark.parametrize(("text", "meant"), [("4G", "4 GiB"), ("4GB", "4 GiB"), ("512m", "512 MiB"), ("2 Tb", "2 TiB")])
def test_a_unit_with_two_meanings_is_refused_with_the_spelling_that_has_one(text: str, meant: str) -> None:
    with pytest.raises(sizes.NotASize) as refused:
        sizes.parse_size(text)
    assert refused.value.hint == f"write `{meant}`"


@pytest.mark.parametrize("text", ["", "four", "4 GiB 2", "-1 GiB", "4 XiB", "1e3 MiB", "0.3 B", "٤ GiB x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(sizes.NotASize):
        sizes.parse_size(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("100 Mbit/s", 12_500_000), ("1.5 Gbit/s", 187_500_000), ("125 MB/s", 125_000_000), ("125 MiB/s", 125 * 1024**2), ("8 bit/s", 1)],
)
def test_bits_are_decimal_and_bytes_as_written(text: str, count: int) -> None:
    assert sizes.parse_rate(text) == count


@pytest.mark.parametrize("text", ["100 Mbit", "100", "fast/s", "100 Mbps/s"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(sizes.NotASize):
        sizes.parse_rate(text)


@pytest.mark.parametrize(("text", "seconds"), [("500 ms", 0.5), ("30 s", 30), ("5 min", 300), ("2 h", 7200), ("7 d", 604_800)])
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    assert sizes.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["5", "5 m", "soon", "5 minutes"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(sizes.NotASize):
        sizes.parse_duration(text)


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2 * 1024**4, "2 TiB"), (int(1.9 * 1024**4), "1.9 TiB"), (2**80, "1073741824 PiB")],
)
def test_sizes_are_shown_with_one_decimal_at_most(count: int, shown: str) -> None:
    assert sizes.show_size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.3, "0.3 s"),
        (4, "4 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (86_400, "1 day"),
        (604_800, "7 days"),
    ],
)
def test_durations_are_shown_in_words(seconds: float, shown: str) -> None:
    assert sizes.show_duration(seconds) == shown


@pytest.mark.parametrize("read", [sizes.parse_size, sizes.parse_rate, sizes.parse_duration])
@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "1." + "9" * 400])
def test_a_number_beyond_all_machines_is_refused_like_any_other_mistake(read: Callable[[str], object], number: str) -> None:
    for unit in ("GiB", "GB/s", "h"):
        with pytest.raises(sizes.NotASize):
            read(f"{number} {unit}")
