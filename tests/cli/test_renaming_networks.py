"""A renamed network keeps its bridge, its range and the addresses on it, and no VM that runs notices."""

import json
import os
from typing import Any

import pytest

HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
"""
LAN = """\
networks: {{{name}: {{cidr: 10.9.0.0/24, forward: [{{host_port: 8080, vm: vm.db, port: 80}}]}}{more}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [{name}]}}
  web: {{image: debian, memory: 1 GiB, count: 2, networks: [{{network: {name}, rate: {{download: {rate}}}}}]}}
outputs: {{db: "{{{{ vm.db.address.{name} }}}}"}}
"""
OLD = HEAD + LAN.format(name="lan", more="", rate="100 Mbit/s")
MOVED = "moved: [{from: network.lan, to: network.front}]\n"
NEW = HEAD + LAN.format(name="front", more="", rate="100 Mbit/s") + MOVED


def _steps(herocloud: Any) -> list[str]:
    return [step["id"] for step in json.loads(herocloud.done("plan", "--json").out)["steps"]]


def _records(herocloud: Any, *addresses: str) -> list[dict[str, Any]]:
    return [json.loads(herocloud.done("state", "show", address, "--json").out)["parts"] for address in addresses]


VMS = ("vm.db", "vm.web[0]", "vm.web[1]")


def _cards(herocloud: Any) -> list[tuple[str, str, str, str]]:
    cards = [parts["nic.0"] for parts in _records(herocloud, *VMS)]
    return [(card["network"], card["mac"], card["address"], card["tap"]) for card in cards]


def _rests(herocloud: Any) -> None:
    assert "No changes." in herocloud.done("plan").out
    assert "No drift." in herocloud.done("drift").out


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a network with three VMs that run."""
    herocloud.write(OLD)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def test_cards_are_told_the_new_name_and_nothing_is_unplugged(shop) -> None:
    before, (network,) = _cards(shop), _records(shop, "network.lan")
    shop.write(NEW)
    ran = shop("plan")
    assert ran.code == 0, ran.both
    assert "renamed, and its cards stay plugged in" in ran.out
    assert _steps(shop) == ["network.front/network.move", *(f"{vm}/tap.update" for vm in VMS)]
    shop.done("apply", "--approve", "update", "-q")
    assert _cards(shop) == [("front", *rest) for _, *rest in before]
    assert _records(shop, "network.front") == [network], "the bridge has another name"
    _rests(shop)
    # The entry has done its work, and the file says the new name alone.
    shop.write(NEW.replace(MOVED, ""))
    _rests(shop)


def test_a_seed_is_not_written_again_later_either(shop) -> None:
    shop.write(NEW)
    shop.done("apply", "-y", "-q")
    shop.write(NEW.replace("memory: 1 GiB, networks", "memory: 2 GiB, networks"))
    assert _steps(shop) == ["vm.db/vm.resize"]


@pytest.mark.parametrize("way", [(), ("--rollback",)], ids=["finished", "taken back"])
@pytest.mark.parametrize(
    "point", ["network.move.before:1", "network.move.after:1", "tap.update.before:1", "tap.update.after:1", "tap.update.after:3"]
)
def test_a_kill_is_finished_or_taken_back(shop, spawn, point, way) -> None:
    before, cards = _records(shop, *VMS, "network.lan"), _cards(shop)
    shop.write(NEW)
    killed = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"simulator.{point}:kill"})
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    ran = shop("resume", "-y", "-q", *way)
    assert ran.code == 0, ran.both
    assert "No drift." in shop.done("drift").out
    if way:
        assert _records(shop, *VMS, "network.lan") == before
        shop.write(OLD)
    else:
        assert _cards(shop) == [("front", *rest) for _, *rest in cards]
    _rests(shop)


@pytest.mark.parametrize("kind", ["network.move", "tap.update"])
def test_what_failed_is_done_by_the_next_plan_without_unplugging(shop, kind) -> None:
    cards = _cards(shop)
    scenario = shop.data_folder / "scenario.yaml"
    scenario.write_text(f"rules: [{{step: {kind}, nth: 1, fail: no such luck}}]\n", encoding="utf-8")
    with (shop.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    shop.write(NEW)
    assert shop("apply", "-y", "-q").code != 0
    scenario.write_text("rules: []\n", encoding="utf-8")
    assert {step.rpartition("/")[2] for step in _steps(shop)} <= {"network.move", "tap.update", "record.write"}
    shop.done("apply", "-y", "-q")
    assert _cards(shop) == [("front", *rest) for _, *rest in cards]
    _rests(shop)


def test_a_failure_is_rolled_back_to_the_old_name(shop) -> None:
    before = _records(shop, *VMS, "network.lan")
    (shop.data_folder / "scenario.yaml").write_text("rules: [{step: vm.resize, fail: no such luck}]\n", encoding="utf-8")
    with (shop.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    shop.write(NEW.replace("db: {image: debian, memory: 1 GiB", "db: {image: debian, memory: 2 GiB"))
    assert shop("apply", "-y", "--on-failure", "rollback").code != 0
    assert _records(shop, *VMS, "network.lan") == before
    shop.write(OLD)
    _rests(shop)


def test_undo_gives_the_network_its_name_back(shop) -> None:
    before = _records(shop, *VMS, "network.lan")
    shop.write(NEW)
    shop.done("apply", "-y", "-q")
    ran = shop.done("undo", "-y")
    assert "was network.front" in ran.out
    assert _records(shop, *VMS, "network.lan") == before
    shop.write(OLD)
    _rests(shop)


def test_a_new_network_of_the_old_name_is_another_bridge(shop) -> None:
    cards = _cards(shop)
    shop.write(NEW)
    shop.done("apply", "-y", "-q")
    both = HEAD + LAN.format(name="front", more=", lan: {cidr: 10.8.0.0/24}", rate="100 Mbit/s")
    shop.write(both.replace("networks: [front]", "networks: [lan, front]"))
    shop.done("apply", "-y", "-q")
    found = _records(shop, "network.front", "network.lan", "vm.db")
    assert found[0]["network"]["bridge"] != found[1]["network"]["bridge"]
    assert {key: found[2][key]["network"] for key in ("nic.0", "nic.1")} == {"nic.0": "front", "nic.1": "lan"}
    assert _cards(shop) == [("front", *rest) for _, *rest in cards]
    _rests(shop)
    # An entry that was left in the file does not take the cards of the new one for those of the old one.
    assert "still there" in shop("plan", "-f", "-", stdin=both + MOVED).both


def test_networks_may_hand_a_name_on(herocloud) -> None:
    text = "networks: {a: {cidr: 10.1.0.0/24}, b: {cidr: 10.2.0.0/24}}\n"
    vms = "vms: {one: {image: debian, memory: 1 GiB, networks: [a]}, two: {image: debian, memory: 1 GiB, networks: [b]}}\n"
    herocloud.write(HEAD + text + vms)
    herocloud.done("apply", "-y", "-q")
    before = _records(herocloud, "vm.one", "vm.two")
    text = "networks: {b: {cidr: 10.1.0.0/24}, c: {cidr: 10.2.0.0/24}}\n"
    moved = "moved: [{from: network.a, to: network.b}, {from: network.b, to: network.c}]\n"
    herocloud.write(HEAD + text + vms.replace("[b]", "[c]").replace("[a]", "[b]") + moved)
    assert {step.rpartition("/")[2] for step in _steps(herocloud)} == {"network.move", "tap.update"}
    herocloud.done("apply", "-y", "-q")
    one, two = _records(herocloud, "vm.one", "vm.two")
    assert (one["nic.0"]["network"], two["nic.0"]["network"]) == ("b", "c")
    assert [one["nic.0"]["mac"], two["nic.0"]["mac"]] == [vm["nic.0"]["mac"] for vm in before]
    assert "No drift." in herocloud.done("drift").out
    herocloud.done("undo", "-y", "-q")
    assert _records(herocloud, "vm.one", "vm.two") == before
    assert "No drift." in herocloud.done("drift").out


def test_other_changes_go_along_with_a_rename(shop) -> None:
    cards = _cards(shop)
    shop.write((HEAD + LAN.format(name="front", more="", rate="200 Mbit/s") + MOVED).replace("port: 80", "port: 81").replace("2,", "1,"))
    kinds = [step.rpartition("/")[2].partition("#")[0] for step in _steps(shop)]
    assert "tap.create" not in kinds
    assert "vm.attach" not in kinds
    shop.done("apply", "-y", "-q")
    assert [(card["mac"], card["address"]) for card in (_records(shop, "vm.web[0]")[0]["nic.0"],)] == [cards[1][1:3]]
    _rests(shop)


def test_a_network_is_renamed_by_state_mv(shop) -> None:
    cards = _cards(shop)
    shop.done("state", "mv", "network.lan", "network.front", "--approve", "update")
    assert _cards(shop) == [("front", *rest) for _, *rest in cards]
    assert "No drift." in shop.done("drift").out
    shop.write(NEW.replace(MOVED, ""))
    _rests(shop)


def test_a_network_cannot_become_a_volume(shop) -> None:
    shop.write(NEW.replace("to: network.front", "to: volume.front"))
    ran = shop("plan")
    assert ran.code == 1
    assert "which is of another kind" in ran.both
