"""--rehearse: everything runs, on a copy; nothing real is touched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import rehearsal
from herocloud.providers.seam import ProviderContext


def _fingerprint(folder: Path) -> dict[str, bytes]:
    """Return every byte of the data folder but SQLite's shared memory, which readers may touch."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")}


@pytest.mark.parametrize("words", [("apply", "--rehearse"), ("plan", "--rehearse"), ("destroy", "--rehearse")], ids=" ".join)
def test_a_rehearsal_needs_no_approval_and_changes_nothing(
    herocloud: Any, applied: Path, edit: Callable[[str, str], None], words: tuple[str, ...]
) -> None:
    edit("count: 2", "count: 3")
    herocloud.done("plan")
    before = _fingerprint(herocloud.data_folder)
    ran = herocloud.done(*words)
    assert "a plan after it has no changes. Nothing real was changed." in ran.out
    assert _fingerprint(herocloud.data_folder) == before


def test_a_first_apply_is_rehearsed_without_a_state(herocloud: Any, shop: Path) -> None:
    ran = herocloud.done("apply", "--rehearse")
    assert "Rehearsed" in ran.out
    assert not (herocloud.data_folder / "state.db").exists()
    assert not (herocloud.data_folder / "simulator.db").exists()


def test_a_saved_plan_is_rehearsed_and_still_fresh(herocloud: Any, shop: Path) -> None:
    herocloud.done("plan", "--out", "p.hcplan")
    assert "Rehearsed" in herocloud.done("apply", "p.hcplan", "--rehearse").out
    assert "6 added" in herocloud.done("apply", "p.hcplan").out


def test_bad_luck_of_the_real_world_is_not_rehearsed(herocloud: Any, shop: Path, misbehave: Callable[[str], None]) -> None:
    misbehave("{address: vm.db, fail: kernel panicked}")
    assert herocloud("apply", "--rehearse").code == 0


def test_a_plan_that_cannot_be_applied_is_not_rehearsed(herocloud: Any, applied: Path) -> None:
    herocloud.done("state", "protect", "vm.db")
    ran = herocloud("destroy", "--rehearse")
    assert ran.code == 12
    assert "Rehearsed" not in ran.out


def test_without_changes_there_is_nothing_to_rehearse(herocloud: Any, applied: Path) -> None:
    assert herocloud.done("apply", "--rehearse").out == "No changes.\n"


@pytest.fixture
def fail_on_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that gives the simulator of the copy a rule, as if a plan that passed could not be run."""

    def fail(rule: str) -> None:
        scenario = tmp_path / "copy.yaml"
        scenario.write_text(f"seed: 1\nrules: [{rule}]\n", encoding="utf-8")
        settings = {"simulator": {"scenario": scenario}}
        monkeypatch.setattr(rehearsal, "ProviderContext", lambda folder, host: ProviderContext(folder, host, settings))

    return fail


@pytest.mark.parametrize("words", [("apply", "--rehearse"), ("destroy", "--rehearse"), ("apply", "--rehearse", "--on-failure", "rollback")])
def test_a_failed_rehearsal_advises_nothing_about_a_real_apply(
    herocloud: Any, applied: Path, edit: Callable[[str, str], None], fail_on_the_copy: Callable[[str], None], words: tuple[str, ...]
) -> None:
    edit("count: 2", "count: 3")
    edit("volumes:\n  data", "volumes:\n  more: {size: 1 GiB}\n  data")
    fail_on_the_copy("{step: vm.*, fail: no room}")
    before = _fingerprint(herocloud.data_folder)
    ran = herocloud(*words, "--json-into", "r.json")
    assert ran.code == 1
    for advice in ("herocloud undo", "herocloud resume", "herocloud plan", "Partly applied", "apply-1"):
        assert advice not in ran.both
    assert "This was a rehearsal on a simulated copy of the world. Remove the cause, then the same command rehearses again." in ran.out
    assert "Nothing real was changed." in ran.out
    summary = json.loads((herocloud.folder / "r.json").read_text(encoding="utf-8").splitlines()[-1])
    assert summary["type"] == "summary"
    assert "This was a rehearsal" in summary["next_step"]
    assert _fingerprint(herocloud.data_folder) == before


def _told(text: str) -> list[str]:
    return [json.loads(line)["type"] for line in text.splitlines()]


def test_the_stream_beside_the_text_says_what_is_planned(herocloud: Any, shop: Path) -> None:
    herocloud.done("apply", "--rehearse", "--json-into", "r.json")
    lines = _told((herocloud.folder / "r.json").read_text(encoding="utf-8"))
    assert lines[:8] == ["version", *["planned_change"] * 6, "capacity"]
    assert lines[-1] == "summary"


def test_the_stream_of_a_rehearsal_without_changes_has_a_summary(herocloud: Any, applied: Path) -> None:
    assert _told(herocloud.done("plan", "--rehearse", "--json").out) == ["version", "capacity", "summary"]


def test_what_cannot_be_applied_is_told_once_and_in_the_stream(herocloud: Any, shop: Path, edit: Callable[[str, str], None]) -> None:
    edit("data: {size: 20 GiB}", "data: {size: 200 TiB}")
    ran = herocloud("plan", "--rehearse", "--json")
    assert ran.code == 14
    assert _told(ran.out).count("diagnostic") == ran.err.count("error: ")
    assert herocloud("plan", "--rehearse").err == herocloud("plan").err


def test_a_stack_that_does_not_load_is_a_line_of_the_stream(herocloud: Any) -> None:
    herocloud.write("stack: shop\nvms: {web: {imag: x}}\n")
    ran = herocloud("apply", "--rehearse", "--json")
    assert ran.code == 1
    assert {"version", "diagnostic"} == set(_told(ran.out))
