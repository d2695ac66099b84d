"""A purge of real files that was cut off: its rollback brings back what is still there, and what is gone it promises to nobody."""

from typing import Any

import pytest

from tests.cli.test_rollback_in_part import Cut

BOTH = "stack: shop\nvolumes: {data: {size: 1 MiB}, more: {size: 1 MiB}}\n"
ONE = "stack: shop\nvolumes: {more: {size: 1 MiB}}\n"


@pytest.fixture
def cut(herocloud: Any, spawn: Any) -> Cut:
    """Make two volumes as files, and be about to purge one of them."""
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    herocloud.write(BOTH)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(ONE)
    return Cut(herocloud, spawn)


def _files(herocloud: Any) -> set[str]:
    return {path.name for path in (herocloud.data_folder / "volumes" / "shop").iterdir()}


def test_what_was_destroyed_before_the_kill_is_shown_as_gone_and_leaves_nothing_behind(cut: Cut) -> None:
    cut.kill("images.volume.delete.half:2")
    assert _files(cut.herocloud) == {"data.raw.mark", "more.raw", "more.raw.mark"}
    shown = cut.herocloud("resume", "--rollback")
    assert "volume.data   delete · cannot come back: its data is gone for good" in shown.out
    assert not cut.preview()["volume.data"]["comes_back"]
    assert cut.herocloud("resume", "--rollback", "-y").code in (1, 13)
    assert _files(cut.herocloud) == {"more.raw", "more.raw.mark"}
    assert cut.herocloud.done("drift").out == "No drift.\n"
    assert "There are no orphans." in cut.herocloud.done("state", "orphans").out
    assert "Deleted data is gone (volume.data)" in cut.herocloud("undo", "apply-2", "-y").err
    cut.herocloud.write(BOTH)
    cut.herocloud.done("apply", "-y", "-q")
    assert "No changes." in cut.herocloud.done("plan").out


def test_what_the_kill_left_whole_is_promised_and_comes_back(cut: Cut) -> None:
    before = _files(cut.herocloud)
    cut.kill("images.volume.delete.half:1")
    assert cut.preview()["volume.data"]["comes_back"]
    cut.herocloud.done("resume", "--rollback", "-y")
    assert _files(cut.herocloud) == before
    cut.herocloud.write(BOTH)
    assert "No changes." in cut.herocloud.done("plan").out


def test_a_purge_that_was_cut_off_is_finished_by_a_resume(cut: Cut) -> None:
    cut.kill("images.volume.delete.half:2")
    cut.herocloud.done("resume", "-y")
    assert _files(cut.herocloud) == {"more.raw", "more.raw.mark"}
    assert "No changes." in cut.herocloud.done("plan").out
