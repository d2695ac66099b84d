"""A disk that is full, failing or read-only at any write of the state: a clear error, a consistent state, and a resume that works."""

import errno
from collections.abc import Iterator

import pytest

from herocloud.kits import faults
from herocloud.model.errors import Refused

WRITES = [(f"state.{what}.{when}", 1) for what in ("begin", "commit", "finish") for when in ("before", "written")]
WRITES += [(f"state.commit.{when}", nth) for when in ("before", "written") for nth in (2, 3, 5)]
CODES = {"enospc": "state-disk-full", "eio": "state-io-error", "erofs": "state-read-only"}


@pytest.fixture
def fault(monkeypatch) -> Iterator[dict[str, tuple[int, str]]]:
    """The rules of the fault points, empty again at the end."""
    rules: dict[str, tuple[int, str]] = {}
    monkeypatch.setattr(faults, "_rules", rules)
    monkeypatch.setattr(faults, "_counts", {})
    return rules


@pytest.mark.parametrize("what", list(CODES))
@pytest.mark.parametrize(("point", "nth"), WRITES)
def test_whatever_the_disk_does_the_apply_is_finished_once_it_works_again(site, shop, fault, point, nth, what) -> None:
    plan = site.plan(shop)
    fault[point] = (nth, what)
    with pytest.raises(Refused) as raised:
        site.run(plan)
    assert [found.code for found in raised.value.diagnostics] == [CODES[what]]
    fault.clear()
    if not site.recorded().unfinished:
        assert site.recorded().records == {}, "nothing had begun"
        assert not site.run(plan).failed
    else:
        assert not site.resume().failed
    assert site.changes(shop) == []


def test_nothing_runs_that_is_not_in_the_journal(site, shop, fault) -> None:
    fault["state.commit.written"] = (1, "enospc")
    with pytest.raises(Refused):
        site.run(site.plan(shop))
    assert site.look().things == {}


def test_running_steps_may_end_before_the_error_is_told(site, shop, fault) -> None:
    """The second transaction fails while the first steps are at work: what they made is found by the resume and not made again."""
    fault["state.commit.written"] = (2, "eio")
    with pytest.raises(Refused):
        site.run(site.plan(shop))
    made = {address for things in site.look().things.values() for address in things}
    assert made <= {"image.debian", "network.lan", "volume.data"}
    fault.clear()
    assert not site.resume().failed


def test_a_disk_that_fills_up_under_a_rollback_does_not_stop_it_for_good(site, shop, fault) -> None:
    plan = site.plan(shop)
    site.misbehave('{address: vm.db, step: "vm.boot", fail: "out of order"}')
    fault["back.undo.after:disk.create"] = (1, "enospc")
    result = site.run(plan, on_failure="rollback")
    assert not result.rolled_back
    fault.clear()
    site.behave()
    site.apply(shop)
    assert site.changes(shop) == []


def test_the_system_says_the_same_numbers_as_the_rules() -> None:
    assert [getattr(errno, name.upper()) for name in CODES] == [errno.ENOSPC, errno.EIO, errno.EROFS]
