"""Hands that break the world, as functions and as a command."""

import subprocess
import sys
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.providers.simulator import tamper, world


@pytest.mark.parametrize(
    ("arguments", "part", "expected"),
    [
        (["stop"], "power", "stopped"),
        (["pause"], "power", "paused"),
        (["start"], "power", "running"),
    ],
)
def test_power_changes_behind_our_back(bench: Any, arguments: list[str], part: str, expected: str) -> None:
    bench.vm()
    assert tamper.main([str(bench.folder), "vm.web", *arguments]) == 0
    assert bench.part("vm.web", part) == expected


def test_sizes_of_a_machine_change_behind_our_back(bench: Any, shapes: Any) -> None:
    bench.vm()
    assert tamper.main([str(bench.folder), "vm.web", "set-memory", "6 GiB"]) == 0
    assert tamper.main([str(bench.folder), "vm.web", "set-vcpus", "3"]) == 0
    machine = bench.part("vm.web", "machine")
    assert (machine["memory"], machine["vcpus"]) == (6 * shapes.GIB, 3)
    assert bench.snapshot().totals["memory"] == 6 * shapes.GIB


def test_a_part_or_everything_disappears(bench: Any) -> None:
    bench.vm()
    assert tamper.main([str(bench.folder), "vm.web", "lose", "machine"]) == 0
    assert sorted(bench.thing("vm.web").parts) == ["disk", "nic.0", "seed"]
    assert tamper.main([str(bench.folder), "vm.web", "vanish"]) == 0
    assert bench.thing("vm.web") is None
    assert bench.driver.tombstones() == []


def test_the_command_runs_as_a_module(bench: Any) -> None:
    bench.vm()
    command = [sys.executable, "-W", "error", "-m", "herocloud.providers.simulator.tamper", str(bench.folder), "vm.web", "stop"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert bench.part("vm.web", "power") == "stopped"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vm.wbe", "stop"], "Nothing in the world has this address: there is no `vm.wbe` (did you mean `vm.web`?)\n"),
        (["network.lan", "stop"], "A thing has no such part: `network.lan` has no machine; it has network\n"),
        (["vm.web", "lose", "nic.7"], "A thing has no such part: `vm.web` has no nic.7; it has disk, machine, nic.0, power, seed\n"),
        (["vm.web", "set-memory", "4G"], "`4G` can be read in two ways\n"),
    ],
)
def test_mistakes_are_explained(bench: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    bench.vm()
    before = bench.snapshot()
    assert tamper.main([str(bench.folder), *arguments]) == 1
    assert capsys.readouterr().err == says
    assert bench.snapshot() == before


@pytest.mark.parametrize("arguments", [["vm.web", "lose"], ["vm.web", "stop", "now"], ["vm.web", "explode"]])
def test_a_wrong_command_line_is_refused(bench: Any, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        tamper.main([str(bench.folder), *arguments])
    assert raised.value.code == 2


def test_no_world_is_made_by_tampering(tmp_path: Any) -> None:
    with pytest.raises(Refused, match="no simulated world yet"):
        world.remove_thing(tmp_path, "vm.web")
    assert list(tmp_path.iterdir()) == []


def test_an_address_in_two_stacks_needs_the_stack(bench: Any, shapes: Any) -> None:
    bench.volume()
    world.add_orphan(bench.folder, "volume.data", {"volume": {"size": 1, "path": "elsewhere"}})
    with pytest.raises(Refused, match=r"`volume.data` is in `lost`, `shop`"):
        world.remove_thing(bench.folder, "volume.data")
    world.remove_thing(bench.folder, "volume.data", "lost")
    assert bench.part("volume.data", "volume") == shapes.volume()
