"""Rates hold for real traffic in both directions, are seen, change in place, and go without a trace."""

import sys
from typing import Any

import pytest

pytestmark = pytest.mark.root

RATE = 1_000_000
"""Bytes a second: slow enough that any machine is faster without a limit."""
SIZE = 1_500_000


def _seconds(site: Any, origin: str, target: str, address: str, port: int) -> float:
    site.drain(target, port)
    words = [sys.executable, str(site.here / "talking.py"), "push", address, str(port), str(SIZE)]
    return float(site.within(origin, *words))


@pytest.fixture
def guest(site: Any, shapes: Any) -> Any:
    site.here = shapes.here
    site.network()
    return site.guest(1)


def _limit(site: Any, guest: Any, before: Any, rate: Any) -> Any:
    after = {**before, "rate": rate}
    site.perform("tap.update", "vm.g1", "nic.0", before, after)
    assert site.part("vm.g1", "nic.0") == after
    return after


def test_both_directions_are_limited_each_by_its_own_rate(site: Any, guest: Any) -> None:
    unlimited = max(
        _seconds(site, site.host, guest.namespace, "10.42.0.2", 81), _seconds(site, guest.namespace, site.host, "10.42.0.1", 81)
    )
    _limit(site, guest, guest.nic, {"download": RATE, "upload": 2 * RATE})
    down = _seconds(site, site.host, guest.namespace, "10.42.0.2", 82)
    up = _seconds(site, guest.namespace, site.host, "10.42.0.1", 82)
    # A bucket lets its content through at once, hence less than 1.5 and 0.75 seconds; a slow machine takes longer, never shorter.
    assert 1.2 <= down < 6 + unlimited, (unlimited, down, up)
    assert 0.6 <= up < 3 + unlimited, (unlimited, down, up)


def test_limits_change_in_place_and_go_without_a_trace(site: Any, guest: Any) -> None:
    clean = site.dump()
    part = _limit(site, guest, guest.nic, {"download": 125_000_000, "upload": None})
    part = _limit(site, guest, part, {"download": 125_000_001, "upload": 1_000_000_000})
    part = _limit(site, guest, part, {"download": None, "upload": 1_000})
    assert "rate 8Kbit" in site.on_host("tc qdisc show dev hi-v1-0")
    part = _limit(site, guest, part, None)
    assert part == guest.nic
    assert site.changes_since(clean) == []


@pytest.mark.parametrize("rate", [1_000, 12_500_000, 4_000_000_000])
def test_the_exact_rate_is_seen(site: Any, guest: Any, rate: int) -> None:
    _limit(site, guest, guest.nic, {"download": rate, "upload": rate})


def test_a_rate_that_no_queue_counts_is_refused(site: Any, guest: Any, shapes: Any) -> None:
    with pytest.raises(shapes.Refusal, match="above what a queue counts with"):
        site.perform("tap.update", "vm.g1", "nic.0", guest.nic, {**guest.nic, "rate": {"download": 2**33, "upload": None}})
