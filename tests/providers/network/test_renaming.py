"""A network gets another name while guests talk over it: bridge, addresses and connections stay."""

from typing import Any

import pytest

pytestmark = pytest.mark.root

MOVE = ("network.move", "network.front", "mark", {"address": "network.lan"}, {"address": "network.front"})


def _relabel(card: Any) -> tuple[Any, ...]:
    return ("tap.update", "vm.g1", "nic.0", card.nic, {**card.nic, "network": "front"})


def _numbers(site: Any) -> list[str]:
    """Return the number of each device of the host: one that is made again has another."""
    return [" ".join(line.split()[:2]).partition("@")[0] for line in site.on_host("ip -o link").splitlines()]


def test_guests_go_on_talking_and_nothing_drifts_in_between(site: Any, shapes: Any) -> None:
    lan = site.network(forward=[shapes.forward(8080, 2, 80)])
    first, second = site.guest(1), site.guest(2)
    site.serve(second.namespace, "tcp", 80)
    before, numbers = site.dump(), _numbers(site)

    def reach() -> None:
        assert site.call(first.namespace, second.nic["address"], 80) == first.nic["address"]

    reach()
    site.perform(*MOVE)
    reach()
    # The cards bear the old name until they are told the new one, and that alone is no drift.
    assert site.part("network.front", "network") == lan
    assert site.part("network.lan", "network") is None
    assert site.part("vm.g1", "nic.0") == first.nic
    assert site.probe(*_relabel(first)) == ("NOT_STARTED", "")
    site.perform(*_relabel(first))
    assert site.probe(*_relabel(first)) == ("DONE", "")
    assert site.part("vm.g1", "nic.0") == {**first.nic, "network": "front"}
    assert site.part("vm.g2", "nic.0") == second.nic
    reach()
    assert _numbers(site) == numbers
    site.undo(*_relabel(first))
    site.undo(*MOVE)
    # Connections that were made meanwhile are counted for a while.
    assert [line for line in site.changes_since(before) if "conntrack_count" not in line] == []
    reach()


def test_the_old_name_is_free_for_another_network(site: Any, shapes: Any) -> None:
    site.network()
    card = site.guest(1)
    site.perform(*MOVE)
    site.perform(*_relabel(card))
    other = shapes.network("other", cidr="10.43.0.0/24", gateway="10.43.0.1")
    site.perform("network.create", "network.lan", "network", None, other)
    assert site.part("network.lan", "network") == other
    assert site.part("vm.g1", "nic.0") == {**card.nic, "network": "front"}
    found, detail = site.probe(*MOVE)
    assert (found, detail) == ("CONTRADICTED", "both `network.lan` and `network.front` exist")
    with pytest.raises(shapes.Refusal, match=r"`network.lan` is there already"):
        site.undo(*MOVE)


def test_rules_that_somebody_changed_are_left_as_they_are(site: Any) -> None:
    site.network()
    site.on_host("nft delete chain inet herocloud raw-hb-lan")
    drifted = site.part("network.lan", "network")
    assert drifted["rules"]
    assert site.probe(*MOVE)[0] == "NOT_STARTED"
    site.perform(*MOVE)
    assert site.probe(*MOVE)[0] == "DONE"
    assert "raw" in site.part("network.front", "network")["rules"]


def test_what_does_not_exist_is_not_renamed(site: Any, shapes: Any) -> None:
    assert site.probe(*MOVE)[0] == "CONTRADICTED"
    with pytest.raises(shapes.Refusal, match=r"neither `network.lan` nor `network.front` exists"):
        site.perform(*MOVE)
