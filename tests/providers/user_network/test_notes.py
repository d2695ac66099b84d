"""Networks and cards in user mode are notes: made, changed, seen, taken away, and told apart from those of others."""

import json

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.model.ids import Address, StackName
from herocloud.providers import ownership
from herocloud.providers.ownership import Owner
from herocloud.providers.seam import Found


def _all(bench):
    return {address: thing.parts for things in bench.look().things.values() for address, thing in things.items()}


def test_what_is_made_is_seen_and_what_is_taken_away_leaves_nothing(bench, network, tap) -> None:
    assert bench.look().things == {}
    assert bench.perform("network.create", None, network) == network
    assert bench.perform("tap.create", None, tap, address="vm.web") == tap
    assert _all(bench) == {"network.lan": {"network": network}, "vm.web": {"nic.0": tap}}
    thing = bench.look().things[StackName("shop")][Address("vm.web")]
    assert (thing.provider, thing.lineage) == ("user_network", "ours")
    bench.perform("tap.delete", tap, None, address="vm.web")
    bench.perform("network.delete", network, None)
    assert list(bench.folder.rglob("*.json")) == []
    assert bench.look().things == {}


def test_whoever_starts_a_vm_finds_what_it_needs_in_one_file(bench, network, forward) -> None:
    network["forward"] = [forward(0, address="10.42.0.2")]
    bench.perform("network.create", None, network)
    said = json.loads((bench.folder / "user-networks" / "shop" / "lan.json").read_text())
    assert {field: said[field] for field in ("cidr", "gateway", "nat", "forward")} == {
        "cidr": "10.42.0.0/24",
        "gateway": "10.42.0.1",
        "nat": True,
        "forward": network["forward"],
    }


def test_steps_are_told_by_the_note_alone(bench, network) -> None:
    changed = {**network, "nat": False}
    assert bench.probe("network.create", None, network).found is Found.NOT_STARTED
    bench.perform("network.create", None, network)
    assert bench.probe("network.create", None, network).found is Found.DONE
    assert bench.probe("network.update", network, changed).found is Found.NOT_STARTED
    bench.perform("network.update", network, changed)
    bench.perform("network.update", network, changed)
    assert bench.probe("network.update", network, changed).found is Found.DONE
    assert bench.probe("network.create", None, network).found is Found.CONTRADICTED
    bench.undo("network.update", network, changed)
    assert bench.probe("network.update", network, changed).found is Found.NOT_STARTED
    bench.undo("network.create", None, network)
    bench.undo("network.create", None, network)
    assert bench.probe("network.delete", network, None).found is Found.DONE
    assert bench.probe("network.update", network, changed).found is Found.CONTRADICTED


def test_only_the_stacks_that_were_asked_for_are_looked_at(bench, network) -> None:
    bench.perform("network.create", None, network)
    bench.perform("network.create", None, network, stack="other")
    assert list(bench.look("other").things) == ["other"]
    assert sorted(bench.look().things) == ["other", "shop"]


def test_a_network_with_a_card_on_it_is_not_forgotten(bench, network, tap) -> None:
    bench.perform("network.create", None, network)
    bench.perform("tap.create", None, tap, address="vm.web")
    with pytest.raises(Conflict, match=r"in use: `vm\.web` has a card on it"):
        bench.perform("network.delete", network, None)


def test_the_note_of_another_state_is_left_alone(bench, network) -> None:
    bench.perform("network.create", None, network, lineage="theirs")
    assert bench.probe("network.create", None, network).found is Found.CONTRADICTED
    for attempt in (bench.perform, bench.undo):
        with pytest.raises(Conflict, match="state theirs, and is left alone"):
            attempt("network.create", None, network)


def test_a_renamed_vm_keeps_its_card(bench, tap) -> None:
    owner = Owner("shop", "vm.web", "ours")
    ownership.write_owner(bench.folder / "vms" / "v1", owner)
    bench.perform("tap.create", None, tap, address="vm.web")
    ownership.rename(bench.folder / "vms" / "v1", "vm.www")
    assert list(_all(bench)) == ["vm.www"]
    assert bench.probe("tap.delete", tap, None, address="vm.www").found is Found.NOT_STARTED
    bench.perform("tap.delete", tap, None, address="vm.www")
    assert _all(bench) == {}


def test_a_rate_is_refused(bench, tap) -> None:
    with pytest.raises(Permanent, match=r"`vm\.web`: a network in user mode has no `rate`"):
        bench.perform("tap.create", None, {**tap, "rate": {"download": 1, "upload": None}}, address="vm.web")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"herocloud": {"lineage": "x"}}', b"\xff"])
def test_a_damaged_note_is_told_with_the_way_out(bench, network, content) -> None:
    bench.perform("network.create", None, network)
    (bench.folder / "user-networks" / "shop" / "lan.json").write_bytes(content)
    with pytest.raises(Permanent, match="damaged; remove it"):
        bench.look()


MOVE = ("network.move", {"address": "network.lan"}, {"address": "network.front"})


def _move(bench, verb):
    return getattr(bench, verb)(*MOVE, address="network.front")


def test_a_rename_moves_a_note_and_its_cards_are_told_one_by_one(bench, network, tap) -> None:
    bench.perform("network.create", None, network)
    bench.perform("tap.create", None, tap, address="vm.web")
    assert _move(bench, "probe").found is Found.NOT_STARTED
    _move(bench, "perform")
    _move(bench, "perform")
    assert _move(bench, "probe").found is Found.DONE
    assert _all(bench) == {"network.front": {"network": network}, "vm.web": {"nic.0": tap}}
    told = {**tap, "network": "front"}
    bench.perform("tap.update", tap, told, address="vm.web")
    with pytest.raises(Conflict, match=r"`network.front` is in use"):
        bench.perform("network.delete", network, None, address="network.front")
    bench.undo("tap.update", tap, told, address="vm.web")
    _move(bench, "undo")
    _move(bench, "undo")
    assert _all(bench) == {"network.lan": {"network": network}, "vm.web": {"nic.0": tap}}
    assert [path.name for path in (bench.folder / "user-networks" / "shop").glob("*.json")] == ["lan.json"]


@pytest.mark.parametrize("healed", ["perform", "undo"])
@pytest.mark.parametrize("torn", ["perform", "undo"])
def test_a_rename_that_was_torn_is_finished_or_taken_back(bench, network, torn, healed) -> None:
    bench.perform("network.create", None, network)
    if torn == "undo":
        _move(bench, "perform")

    def tear():
        raise InterruptedError

    go = bench.driver.take_back if torn == "undo" else bench.driver.bring
    with pytest.raises(InterruptedError):
        go(bench.work(*MOVE, address="network.front"), tear)
    assert _move(bench, "probe").found is Found.PARTIAL
    _move(bench, healed)
    name = "lan" if healed == "undo" else "front"
    assert _all(bench) == {f"network.{name}": {"network": network}}
    assert [path.name for path in (bench.folder / "user-networks" / "shop").glob("*.json")] == [f"{name}.json"]


def test_a_rename_needs_a_network_and_a_free_name(bench, network) -> None:
    with pytest.raises(Permanent, match=r"neither `network.lan` nor `network.front` exists"):
        _move(bench, "perform")
    assert _move(bench, "probe").found is Found.CONTRADICTED
    bench.perform("network.create", None, network)
    bench.perform("network.create", None, {**network, "cidr": "10.43.0.0/24"}, address="network.front")
    assert _move(bench, "probe").found is Found.CONTRADICTED
    with pytest.raises(Conflict, match=r"`network.front` is there already"):
        _move(bench, "perform")
