"""Commands that only look leave every byte of the data folder as it was."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers import registry

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  web: {image: tiny}
"""
LOOKS = [
    ["plan"],
    ["plan", "--json"],
    ["drift"],
    ["show"],
    ["state", "list"],
    ["state", "log"],
    ["state", "lock"],
    ["export"],
    ["slice", "list"],
    ["host", "show"],
]


def _sums(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_look_changes_no_byte(herocloud: Any, data_folder: Path, look: list[str]) -> None:
    herocloud.write(STACK)
    herocloud.done("apply", "-y")
    before = _sums(data_folder)
    assert "state.db" in before
    for _ in range(2):
        herocloud.done(*look)
        assert _sums(data_folder) == before


def test_a_plan_on_a_folder_without_a_state_makes_none(herocloud: Any, data_folder: Path) -> None:
    herocloud.write(STACK)
    before = _sums(data_folder)
    herocloud.done("plan")
    herocloud.done("slice", "list")
    assert _sums(data_folder) == before


def test_vm_show_shows_what_a_hypervisor_counted(herocloud: Any, applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Counters" not in herocloud.done("vm", "show", "db").out
    role, asked = registry.hypervisor("simulator"), []

    def count(folder: Path, sid: str) -> dict[str, dict[str, int]]:
        asked.append((folder, sid))
        return {"nic-0": {"rx_bytes": 2048, "rx_frames": 3}}

    monkeypatch.setattr(registry, "hypervisor", lambda _name: role._replace(counters=count))
    assert herocloud.done("vm", "show", "db").out.endswith("Counters:\n    nic-0   rx_bytes 2 KiB\n            rx_frames 3\n")
    shown = json.loads(herocloud.done("vm", "show", "db", "--json").out)
    assert shown["counters"] == {"nic-0": {"rx_bytes": 2048, "rx_frames": 3}}
    assert asked == [(herocloud.data_folder, shown["sid"])] * 2
