"""A step that fails may have had none, a part, or all of its effect: an undo takes back exactly that, for every kind of step."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from herocloud.kits import faults
from herocloud.model.steps import KINDS
from herocloud.providers.simulator.driving import HALVES, PERFORMED
from tests.cli.step_scenes import BY_COMMAND, SCENES, expect_nothing_left, start, world_of


def _points() -> Iterable[tuple[str, str]]:
    for kind in SCENES:
        yield from ((kind, at) for at in ("before", "half", "after") if at != "half" or kind in HALVES)


def test_every_kind_of_step_has_a_scene() -> None:
    missing = [kind for kind in PERFORMED if not KINDS[kind].passes and kind not in (*SCENES, *BY_COMMAND)]
    assert [kind for kind in missing if not kind.startswith("snapshot.")] == []


@pytest.mark.parametrize(("kind", "at"), list(_points()))
def test_an_undo_takes_back_what_a_failed_step_has_left(herocloud: Any, misbehave: Callable[[str], None], kind: str, at: str) -> None:
    old, before = start(herocloud, SCENES[kind])
    misbehave(f"{{step: {kind}, at: {at}, times: 1, fail: the answer got lost}}")
    failed = herocloud("apply", "-y")
    assert failed.code in (1, 13), failed.both
    if KINDS[kind].grows and at == "after":
        assert "a disk does not shrink" in failed.both
        assert "A disk does not shrink" in herocloud("undo", "apply-2", "-y").both
        return
    assert "`herocloud undo apply-2` takes it back" in failed.both
    undone = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, old, before, failed.both + undone.both)


@pytest.mark.parametrize("kind", [kind for kind in SCENES if not KINDS[kind].grows and not KINDS[kind].beside])
def test_an_undo_whose_step_failed_is_taken_back_and_done_again(herocloud: Any, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    old, before = start(herocloud, SCENES[kind])
    herocloud.done("apply", "-y", "-q")
    after = world_of(herocloud)
    points = (f"{KINDS[kind].inverse}.after", f"undo.{kind}.after")
    monkeypatch.setattr(faults, "_rules", {f"simulator.{point}": (1, "eio") for point in points})
    monkeypatch.setattr(faults, "_counts", {})
    failed = herocloud("undo", "-y")
    monkeypatch.setattr(faults, "_rules", {})
    assert failed.code in (1, 13), failed.both
    back = herocloud.done("undo", "apply-3", "-y")
    assert world_of(herocloud) == after, failed.both + back.both
    again = herocloud.done("undo", "apply-2", "-y")
    expect_nothing_left(herocloud, old, before, failed.both + back.both + again.both)
