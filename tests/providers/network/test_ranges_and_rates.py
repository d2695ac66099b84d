"""The arithmetic: ranges of addresses, and buckets of bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.providers.network import dumps, links, preconditions


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("10.42.0.0/24", "10.42.0.0/24", True),
        ("10.42.0.0/24", "10.0.0.0/8", True),
        ("10.42.0.0/24", "10.42.0.255/32", True),
        ("10.42.0.0/24", "10.42.1.0/24", False),
        ("10.42.0.0/24", "10.41.255.0/24", False),
    ],
)
def test_ranges_that_share_an_address_are_told(one: str, other: str, *, shared: bool) -> None:
    assert preconditions.overlap(one, other) is preconditions.overlap(other, one) is shared


@pytest.mark.parametrize(
    ("address", "prefix", "network"),
    [("10.42.0.1", 24, "10.42.0.0/24"), ("10.42.3.7", 22, "10.42.0.0/22"), ("192.0.2.7", 32, "192.0.2.7/32")],
)
def test_an_address_lies_in_its_network(address: str, prefix: int, network: str) -> None:
    assert dumps.network_of(address, prefix) == network


@given(st.integers(1, links.MOST))
def test_a_bucket_holds_a_frame_and_fits_the_kernels_fields(rate: int) -> None:
    bucket = links.make_bucket(rate)
    assert bucket.rate == rate
    assert bucket.burst >= 1540
    assert bucket.burst <= bucket.limit < 2**31


@pytest.mark.parametrize(
    ("rate", "bucket"),
    [(1_000, (1_000, 1_540, 1_590)), (12_500_000, (12_500_000, 200_000, 825_000)), (125_000_000, (125_000_000, 2_000_000, 8_250_000))],
)
def test_buckets_have_the_figures_of_the_formula(rate: int, bucket: tuple[int, int, int]) -> None:
    assert links.make_bucket(rate) == bucket
