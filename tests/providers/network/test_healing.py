"""A process that is killed at any named point leaves a world that a probe understands, and that performing or undoing heals."""

from typing import Any

import pytest

from herocloud.providers.network import driving

pytestmark = pytest.mark.root

RATE = {"download": 2_000_000, "upload": 1_000_000}


def _steps(shapes: Any) -> dict[str, tuple[Any, ...]]:
    lan = shapes.network(forward=[shapes.forward(8080, 1, 80)])
    apart = {**lan, "isolated": True, "nat": False, "forward": []}
    slow, quick = shapes.nic(1, rate=RATE), shapes.nic(1, address="10.42.0.9")
    return {
        "network.create": ("network.create", "network.lan", "network", None, lan),
        "network.update": ("network.update", "network.lan", "network", lan, apart),
        "network.delete": ("network.delete", "network.lan", "network", lan, None),
        "network.move": ("network.move", "network.front", "mark", {"address": "network.lan"}, {"address": "network.front"}),
        "tap.create": ("tap.create", "vm.g1", "nic.0", None, slow),
        "tap.update": ("tap.update", "vm.g1", "nic.0", slow, quick),
        "tap.delete": ("tap.delete", "vm.g1", "nic.0", slow, None),
    }


NEEDED = {
    "network.create": (), "network.update": ("network.create", "tap.create"), "network.delete": ("network.create",),
    "network.move": ("network.create", "tap.create"),
    "tap.create": ("network.create",), "tap.update": ("network.create", "tap.create"), "tap.delete": ("network.create", "tap.create"),
}  # fmt: skip


class Story:
    """A world before a step, and the same world after it, as dumps."""

    def __init__(self, site: Any, shapes: Any, kind: str) -> None:
        self.site, self.kind = site, kind
        steps = _steps(shapes)
        self.step = steps[kind]
        for needed in NEEDED[kind]:
            site.perform(*steps[needed])
        self.before = site.dump()
        site.perform(*self.step)
        self.after = site.dump()
        site.undo(*self.step)
        assert site.changes_since(self.before) == []

    def die(self, verb: str, point: str) -> None:
        """Let a process of its own perform or undo the step and be killed at a point."""
        with pytest.raises(EOFError):
            self.site.work(verb, *self.step, worker=self.site.worker(f"{point}:1:kill"))


def _kind_of(point: str) -> str:
    return point.removeprefix("network.").removeprefix("undo.").rpartition(".")[0]


@pytest.mark.parametrize("point", [point for point in driving.FAULT_POINTS if _kind_of(point) not in driving.DISCARDS])
def test_a_killed_step_is_healed_forwards_and_backwards(site: Any, shapes: Any, point: str) -> None:
    story = Story(site, shapes, _kind_of(point))
    for healed, verb in ((story.after, "perform"), (story.before, "undo")):
        _kill(site, story, point)
        found, detail = site.probe(*story.step)
        assert found in _expected(point), detail
        assert bool(detail) is (found == "PARTIAL")
        site.work(verb, *story.step)
        assert site.changes_since(healed) == []
        assert site.probe(*story.step)[0] == ("DONE" if verb == "perform" else "NOT_STARTED")
        site.undo(*story.step)


def _kill(site: Any, story: Story, point: str) -> None:
    if ".undo." in point:
        site.perform(*story.step)
        story.die("undo", point)
    else:
        story.die("perform", point)


def _expected(point: str) -> tuple[str, ...]:
    back, word = ".undo." in point, point.rpartition(".")[2]
    if word == "half":
        return ("PARTIAL",)
    return ("NOT_STARTED",) if (word == "before") is not back else ("DONE",)


@pytest.mark.parametrize("kind", driving.CHANGES)
def test_a_step_that_is_killed_before_any_single_change_is_healed(site: Any, shapes: Any, kind: str) -> None:
    story = Story(site, shapes, kind)
    for number in range(1, 40):
        worker = site.worker(f"network.effect:{number}:kill")
        try:
            site.work("perform", *story.step, worker=worker)
        except EOFError:
            found, detail = site.probe(*story.step)
            assert found != "CONTRADICTED", (number, detail)
            site.work("perform" if number % 2 else "undo", *story.step)
            assert site.changes_since(story.after if number % 2 else story.before) == [], number
            site.undo(*story.step)
        else:
            assert number > (2 if kind == "network.move" else 3)
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("what", ["eio", "enospc"])
def test_a_failure_half_way_is_told_and_undone(site: Any, shapes: Any, what: str) -> None:
    story = Story(site, shapes, "tap.create")
    with pytest.raises(shapes.Refusal, match="Permanent: the networks of this host cannot be changed"):
        site.work("perform", *story.step, worker=site.worker(f"network.tap.create.half:1:{what}"))
    site.undo(*story.step)
    assert site.changes_since(story.before) == []


def test_a_bridge_of_ours_without_its_mark_is_known_by_its_mac(site: Any, shapes: Any) -> None:
    # Made by an older herocloud, which died before it had given it its alias.
    story = Story(site, shapes, "network.create")
    site.perform(*story.step)
    site.on_host("ip link set hb-lan down")
    site.within(site.host, "ip", "link", "set", "hb-lan", "alias", "")
    found, detail = site.probe(*story.step)
    assert (found, 'mark is "gone"' in detail) == ("PARTIAL", True)
    site.perform(*story.step)
    assert site.changes_since(story.after) == []


def test_a_device_for_an_upload_without_its_mark_becomes_whole(site: Any, shapes: Any) -> None:
    # Made, and killed before it was marked: what comes with the mark is missing too.
    site.network()
    step = ("tap.create", "vm.g2", "nic.0", None, shapes.nic(2, rate=RATE))
    site.perform(*step)
    whole = site.dump()
    site.on_host("ip link set hi-v2-0 down")
    site.within(site.host, "ip", "link", "set", "hi-v2-0", "alias", "")
    site.on_host("ip link set hi-v2-0 addrgenmode eui64")
    assert site.changes_since(whole) != []
    assert site.probe(*step)[0] == "PARTIAL"
    site.perform(*step)
    assert site.changes_since(whole) == []


def test_taps_that_are_taken_back_in_any_order_leave_no_table_behind(site: Any, shapes: Any) -> None:
    site.network()
    clean = site.dump()
    whole = ("tap.create", "vm.g1", "nic.0", None, shapes.nic(1))
    torn = ("tap.create", "vm.g2", "nic.0", None, shapes.nic(2, rate=RATE))
    site.perform(*whole)
    # Killed when the device for its upload was there and its rules were not.
    with pytest.raises(EOFError):
        site.work("perform", *torn, worker=site.worker("network.effect:5:kill"))
    assert "hi-v2-0" in site.dump()["links"]
    assert not any("hc-v2-0" in place for place in site.dump()["rules"])
    site.undo(*whole)
    site.undo(*torn)
    assert site.changes_since(clean) == []
