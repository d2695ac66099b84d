"""What a result says that a VM is now, somebody has looked at: a step that failed may have done its work, and only its answer got lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.operations import reversal
from tests.cli.step_scenes import powers

SCENES = {
    "vm.boot": ("", ("apply", "-y"), "vm.db", "running"),
    "vm.create": ("", ("apply", "-y"), "vm.db", "stopped"),
    "vm.stop": ("apply", ("destroy", "-y"), "vm.db", "stopped"),
    "vm.pause": ("apply", ("vm", "pause", "db"), "vm.db", "paused"),
}


def _end(herocloud: Any, misbehave: Callable[[str], None], kind: str, at: str) -> Any:
    first, command, address, _power = SCENES[kind]
    if first:
        herocloud.done(first, "-y", "-q")
    misbehave(f"{{step: {kind}, address: {address}, fail: no answer, at: {at}, times: 1}}")
    return herocloud(*command)


@pytest.mark.parametrize("kind", SCENES)
def test_work_that_was_done_counts_although_nobody_was_told(
    herocloud: Any, shop: Path, misbehave: Callable[[str], None], kind: str
) -> None:
    ran = _end(herocloud, misbehave, kind, "after")
    _first, _command, address, power = SCENES[kind]
    assert powers(herocloud)[address] == power
    assert f"`{address}` is {power}\n" in ran.out


def test_work_that_was_not_done_does_not_count(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    ran = _end(herocloud, misbehave, "vm.boot", "before")
    assert powers(herocloud)["vm.db"] == "stopped"
    assert "`vm.db` is stopped\n" in ran.out


def test_where_nobody_could_look_nothing_is_claimed(
    herocloud: Any, shop: Path, misbehave: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise OSError("not now")

    monkeypatch.setattr(reversal, "plan_undo", fail)
    misbehave("{step: vm.boot, address: vm.db, fail: no answer, at: after, times: 1}")
    ran = herocloud("apply", "-y", "--json-into", "r.json")
    assert "`vm.db` is" not in ran.out
    assert "nobody has looked at `vm.db` since: `herocloud vm list` shows its state" in ran.out
    summary = json.loads((herocloud.folder / "r.json").read_text(encoding="utf-8").splitlines()[-1])
    assert {"address": "vm.db", "state": "failed", "now": None} in summary["fates"]
