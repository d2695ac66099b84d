"""Two data folders share the network of one host: each sees, changes and removes its own, whatever the other calls its stacks."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.root


class Operator:
    """Somebody with a data folder and a stack of one network, on the host of a site."""

    def __init__(self, site: Any, folder: Path, stack: str, cidr: str) -> None:
        self._site, self._folder = site, folder
        folder.mkdir()
        self._file = folder / "stack.yaml"
        self._file.write_text(f"stack: {stack}\nnetworks:\n  lan: {{cidr: {cidr}, nat: true}}\n")

    def says(self, *words: str, code: int = 0, stack: bool = True) -> str:
        """Run a command, and return what it prints."""
        environment = {**os.environ, "HEROCLOUD_DATA_DIR": str(self._folder), "NO_COLOR": "1"}
        command = [
            "ip",
            "netns",
            "exec",
            self._site.host,
            sys.executable,
            "-m",
            "herocloud",
            *words,
            *(["-f", str(self._file)] if stack else []),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def apply(self, **options: Any) -> str:
        return self.says("apply", "--auto-approve", **options)

    def destroy(self) -> str:
        return self.says("destroy", "--auto-approve")


def test_stacks_of_two_data_folders_come_and_go_beside_each_other(site: Any, tmp_path: Path) -> None:
    before = site.dump()
    one, two = Operator(site, tmp_path / "one", "shop", "10.42.0.0/24"), Operator(site, tmp_path / "two", "mail", "10.43.0.0/24")
    one.apply()
    two.apply()
    assert "No changes." in one.says("plan")
    assert "No changes." in two.says("plan")
    one.destroy()
    assert "No changes." in two.says("plan")
    two.destroy()
    assert site.changes_since(before) == []


def test_a_stack_of_the_same_name_is_told_apart_and_refused_before_anything_is_touched(site: Any, tmp_path: Path) -> None:
    one, two = Operator(site, tmp_path / "one", "shop", "10.42.0.0/24"), Operator(site, tmp_path / "two", "shop", "10.43.0.0/24")
    one.apply()
    clean = site.dump()
    # What the other one has made is not there for this one: neither to be taken over nor to be taken for its own.
    assert "+ network.lan" in two.says("plan")
    assert "belongs to `network.lan` of stack `shop` of another state" in two.apply(code=1)
    assert site.changes_since(clean) == []
    assert "No changes." in one.says("plan")


def test_what_a_lost_state_left_is_removed_when_asked_for(site: Any, tmp_path: Path) -> None:
    before = site.dump()
    lost, other = Operator(site, tmp_path / "one", "shop", "10.42.0.0/24"), Operator(site, tmp_path / "two", "mail", "10.43.0.0/24")
    lost.apply()
    other.apply()
    assert "stays; `--foreign` includes it" in other.says("state", "gc", "--auto-approve", stack=False)
    other.says("state", "gc", "--foreign", "--auto-approve", stack=False)
    assert "No changes." in other.says("plan")
    other.destroy()
    assert site.changes_since(before) == []


def test_a_range_that_the_host_has_already_fails_the_plan_and_not_the_apply(site: Any, tmp_path: Path) -> None:
    site.on_host("ip link add wire type veth peer name other")
    site.on_host("ip link set wire up")
    site.on_host("ip address add 10.42.0.7/16 dev wire")
    said = Operator(site, tmp_path / "one", "shop", "10.42.0.0/24").says("plan", code=1)
    assert "`network.lan` wants 10.42.0.0/24, and this host has 10.42.0.7/16 on `wire`" in said
    two = Operator(site, tmp_path / "two", "mail", "10.43.0.0/24")
    two.apply()
    said = Operator(site, tmp_path / "three", "shop", "10.43.0.0/16").says("plan", code=1)
    assert "10.43.0.1/24 on `hb-" in said
    assert "which is `network.lan` of stack `mail` of another state" in said
    # A plan of its own does not take what is there for a stranger's.
    assert "No changes." in two.says("plan")


def test_a_tap_of_another_state_is_not_taken_for_one_that_is_there(site: Any, shapes: Any) -> None:
    site.network()
    site.nic(1)
    own = site.observe()["shop"]
    (site.folder / "state.lineage").write_text("another\n")
    assert site.observe(["shop"]) == {}
    assert site.observe() == {
        f"shop@{shapes.lineage}": {address: {**thing, "stack": f"shop@{shapes.lineage}"} for address, thing in own.items()}
    }
