"""What relies on something renamed relies on it under its new name from the rename on, however the apply ends."""

import json
import sqlite3
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}}}
networks: {{{network}: {{cidr: 10.41.0.0/24}}}}
volumes: {{{volume}: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [{network}], volumes: [{volume}]}}
  {vm}: {{image: debian, memory: 1 GiB}}
  late: {{image: debian, memory: 1 GiB, depends_on: [vm.{vm}], env: {{mode: "{mode}"}}}}
"""
OLD = STACK.format(network="lan", volume="data", vm="first", mode="one")
MOVED = "moved: [{from: volume.data, to: volume.log}, {from: network.lan, to: network.net}, {from: vm.first, to: vm.head}]\n"
NEW = STACK.format(network="net", volume="log", vm="head", mode="one") + MOVED
NAMES = {"volume.data": "volume.log", "network.lan": "network.net", "vm.first": "vm.head"}


def _needs(herocloud: Any, address: str) -> set[str]:
    return set(json.loads(herocloud.done("state", "show", address, "--json").out)["needs"])


def _fail(herocloud: Any, rule: str) -> None:
    (herocloud.data_folder / "scenario.yaml").write_text(f"rules:\n  - {{{rule}, fail: pulled, times: 1}}\n", encoding="utf-8")


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a stack whose VMs rely on a volume, a network and each other."""
    with (herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")
    (herocloud.data_folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    herocloud.write(OLD)
    herocloud.done("apply", "-y", "-q")
    return herocloud


@pytest.fixture
def cut_off(shop: Any) -> Any:
    """Rename all of them in an apply that fails where the VMs would be told."""
    shop.write(NEW)
    _fail(shop, "address: vm.db, step: 'tap.update', at: before")
    ran = shop("apply", "-y")
    assert ran.code in (1, 13), ran.both
    return shop


def test_needs_follow_before_the_apply_fails(cut_off) -> None:
    assert {"volume.log", "network.net"} <= _needs(cut_off, "vm.db")
    assert "vm.head" in _needs(cut_off, "vm.late")


def test_destroying_removes_what_runs_on_it_first(cut_off) -> None:
    ran = cut_off("destroy", "-y")
    assert ran.code == 0, ran.both
    assert json.loads(cut_off.done("show", "--json").out)["stacks"].get("shop", {"resources": []})["resources"] == []


@pytest.mark.parametrize(("target", "user"), [("volume.log", "vm.db"), ("network.net", "vm.db"), ("vm.head", "vm.late")])
def test_destroying_one_of_them_takes_along_what_runs_on_it(cut_off, target, user) -> None:
    assert user in _destroyed(cut_off, target)


def _destroyed(herocloud: Any, target: str) -> set[str]:
    planned = json.loads(herocloud.done("plan", "--destroy", "--target", target, "--json").out)
    return {one["address"] for one in planned["resource_changes"] if one["action"] == "delete"}


def test_applying_again_completes_it(cut_off) -> None:
    cut_off.done("apply", "-y", "-q")
    assert "No changes." in cut_off.done("plan").out
    assert "No drift." in cut_off.done("drift").out


def test_needs_go_back_with_the_names_in_a_rollback(shop) -> None:
    before = {address: _needs(shop, address) for address in ("vm.db", "vm.late")}
    shop.write(NEW)
    _fail(shop, "address: vm.db, step: 'tap.update', at: before")
    ran = shop("apply", "-y", "--on-failure", "rollback")
    assert "move taken back" in ran.both, ran.both
    assert {address: _needs(shop, address) for address in ("vm.db", "vm.late")} == before
    shop.write(OLD)
    assert "No changes." in shop.done("plan").out


def test_undoing_a_rename_brings_the_old_needs_back(shop) -> None:
    before = {address: _needs(shop, address) for address in ("vm.db", "vm.late")}
    shop.write(NEW)
    shop.done("apply", "-y", "-q")
    shop.done("undo", "-y")
    assert {address: _needs(shop, address) for address in ("vm.db", "vm.late")} == before


@pytest.mark.parametrize(("old", "new", "user"), [("volume.data", "volume.log", "vm.db"), ("vm.first", "vm.head", "vm.late")])
def test_a_move_by_hand_that_fails_after_the_rename_is_followed_too(shop, old, new, user) -> None:
    _fail(shop, f"address: {user}, at: before")
    shop("state", "mv", old, new, "-y")
    assert new in _needs(shop, user)
    assert user in _destroyed(shop, new)


def _forget_new_names(herocloud: Any) -> None:
    """Give the records the needs that earlier versions left them."""
    with sqlite3.connect(herocloud.data_folder / "state.db") as state:
        for old, new in NAMES.items():
            text = "UPDATE records SET body = replace(body, ?, ?) WHERE until IS NULL AND address IN ('vm.db', 'vm.late')"
            assert state.execute(text, (f'"{new}"', f'"{old}"')).rowcount
    state.close()


@pytest.mark.parametrize(("target", "user"), [("volume.log", "vm.db"), ("network.net", "vm.db"), ("vm.head", "vm.late")])
def test_needs_by_old_names_in_states_of_earlier_versions_are_understood(cut_off, target, user) -> None:
    _forget_new_names(cut_off)
    assert user in _destroyed(cut_off, target)
    ran = cut_off("destroy", "-y")
    assert ran.code == 0, ran.both


def test_such_needs_are_understood_without_the_moved_entries_too(cut_off) -> None:
    _forget_new_names(cut_off)
    cut_off.write(NEW.replace(MOVED, ""))
    assert "vm.db" in _destroyed(cut_off, "volume.log")
    assert "vm.db" in _destroyed(cut_off, "network.net")
    ran = cut_off("destroy", "-y")
    assert ran.code == 0, ran.both
