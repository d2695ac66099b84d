"""A network or card that was cut off at any single change of the host is seen, completed by making it again, and removed."""

from typing import Any

import pytest

from tests.providers.network.conftest import Refusal

pytestmark = pytest.mark.root

RATE = {"download": 2_000_000, "upload": 1_000_000}
LONG = "a" * 63
MOST = 40
"""More changes than any step makes."""
DISCARDS = {"network": "network.discard", "nic.0": "tap.discard"}


def _steps(shapes: Any) -> dict[str, tuple[Any, ...]]:
    lan = shapes.network(forward=[shapes.forward(8080, 1, 80)])
    return {
        "network": ("network.create", "network.lan", "network", None, lan),
        "card": ("tap.create", "vm.g1", "nic.0", None, shapes.nic(1, rate=RATE)),
    }


WHAT = ("network", "card")


class Cut:
    """A host before a step, which is then cut off at one single change after the other."""

    def __init__(self, site: Any, step: tuple[Any, ...], how: str = "kill") -> None:
        self.site, self.step, self.how = site, step, how
        self.address, self.part = step[1], step[2]
        self.before = site.dump()

    def off(self, number: int, step: tuple[Any, ...] | None = None) -> bool:
        """Let a process of its own do the step (or another one) and stop it at a change; tells whether there was one to stop it at."""
        worker = self.site.worker(f"network.effect:{number}:{self.how}")
        try:
            self.site.work("perform", *(step or self.step), worker=worker)
        except (EOFError, Refusal):
            return True
        return False

    def seen(self) -> tuple[Any, Any]:
        """Return the part as it was seen, and its half."""
        thing = self.site.observe().get(self.site.stack, {}).get(self.address, {"parts": {}, "halves": {}})
        return thing["parts"].get(self.part), thing["halves"].get(self.part)

    def is_clean(self) -> bool:
        return bool(self.site.changes_since(self.before) == [])

    def discard(self, half: Any) -> tuple[Any, ...]:
        return (DISCARDS[self.part], self.address, self.part, half, None)


@pytest.fixture(params=WHAT)
def step(request: pytest.FixtureRequest, site: Any, shapes: Any) -> tuple[Any, ...]:
    """Return a step that makes something, on a host that has what it needs."""
    if request.param != "network":
        site.perform(*_steps(shapes)["network"])
    return _steps(shapes)[str(request.param)]


@pytest.mark.parametrize("how", ["kill", "enospc"])
def test_what_a_making_leaves_is_seen_and_removed(site: Any, step: tuple[Any, ...], how: str) -> None:
    cut = Cut(site, step, how)
    halves = 0
    for number in range(1, MOST):
        if not cut.off(number):
            break
        part, half = cut.seen()
        assert part is None, number
        assert (half is None) is cut.is_clean(), (number, site.changes_since(cut.before))
        if half is not None:
            halves += 1
            site.perform(*cut.discard(half))
            assert site.changes_since(cut.before) == [], number
            assert cut.seen() == (None, None)
    assert halves >= 5
    assert cut.seen() == (step[4], None)


def test_making_it_again_completes_what_was_left(site: Any, step: tuple[Any, ...]) -> None:
    cut = Cut(site, step)
    site.perform(*step)
    after = site.dump()
    site.undo(*step)
    for number in range(1, MOST):
        if not cut.off(number):
            return
        assert site.probe(*step)[0] == ("NOT_STARTED" if cut.is_clean() else "PARTIAL")
        site.perform(*step)
        assert site.changes_since(after) == [], number
        assert cut.seen() == (step[4], None)
        site.undo(*step)
    pytest.fail("it never came to its end")


def test_what_a_removal_leaves_is_seen_and_removed(site: Any, step: tuple[Any, ...]) -> None:
    cut = Cut(site, step)
    removal = (step[0].replace("create", "delete"), *step[1:3], step[4], None)
    for number in range(1, MOST):
        site.perform(*step)
        if not cut.off(number, removal):
            assert cut.is_clean()
            return
        part, half = cut.seen()
        assert part is not None or half is not None, number
        site.perform(*(cut.discard(half) if part is None else (*removal[:3], part, None)))
        assert site.changes_since(cut.before) == [], number
        assert cut.seen() == (None, None)
    pytest.fail("it never came to its end")


def test_a_discard_that_is_cut_off_goes_on_where_it_was(site: Any, step: tuple[Any, ...]) -> None:
    cut = Cut(site, step)
    for number in range(1, MOST):
        assert cut.off(6)
        half = cut.seen()[1]
        assert half is not None
        again = cut.off(number, cut.discard(half))
        found, left = cut.seen()
        assert found is None
        assert (left is None) is cut.is_clean(), number
        if not again:
            assert cut.is_clean()
            return
        assert site.probe(*cut.discard(half))[0] == ("PARTIAL" if left else "DONE")
        site.perform(*cut.discard(left or half))
        assert site.changes_since(cut.before) == [], number
    pytest.fail("it never came to its end")


def test_names_that_are_too_long_for_one_comment_are_seen_in_full(make_site: Any, shapes: Any) -> None:
    site = make_site(stack=LONG)
    address = f"network.{'b' * 63}"
    cut = Cut(site, ("network.create", address, "network", None, shapes.network()))
    assert cut.off(2)
    part, half = cut.seen()
    assert (part, half["bridge"]) == (None, "hb-lan")
    site.perform(*cut.discard(half))
    assert cut.is_clean()


def test_what_is_whole_by_now_is_not_discarded(site: Any, shapes: Any, step: tuple[Any, ...]) -> None:
    cut = Cut(site, step)
    assert cut.off(4)
    half = cut.seen()[1]
    site.perform(*step)
    with pytest.raises(shapes.Refusal, match="was half made, and is whole by now"):
        site.perform(*cut.discard(half))
    assert site.probe(*cut.discard(half))[0] == "CONTRADICTED"
    assert cut.seen() == (step[4], None)


def test_a_half_made_network_keeps_the_rules_and_the_switch_of_others(site: Any, shapes: Any) -> None:
    before = site.dump()
    site.perform(*_steps(shapes)["network"])
    dmz = shapes.network("dmz", cidr="10.43.0.0/24", gateway="10.43.0.1")
    cut = Cut(site, ("network.create", "network.dmz", "network", None, dmz))
    assert cut.off(2)
    half = cut.seen()[1]
    lan = _steps(shapes)["network"]
    site.perform("network.delete", *lan[1:3], lan[4], None)
    assert site.probe("network.delete", *lan[1:3], lan[4], None)[0] == "DONE"
    assert cut.seen() == (None, half)
    site.perform(*cut.discard(half))
    assert site.changes_since(before) == []


def test_what_is_left_of_a_card_whose_tap_was_removed_by_hand_is_seen_and_removed(site: Any, shapes: Any) -> None:
    site.perform(*_steps(shapes)["network"])
    cut = Cut(site, _steps(shapes)["card"])
    site.perform(*cut.step)
    site.on_host("ip link delete hc-v1-0")
    part, half = cut.seen()
    assert (part, half["tap"]) == (None, "hc-v1-0")
    site.perform(*cut.discard(half))
    assert cut.is_clean()
