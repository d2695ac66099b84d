"""`--purge` destroys what its own plan shows, when that is done: not what an unfinished apply still needs, which never said it purges."""

from typing import Any

import pytest

from tests.cli.test_rollback_in_part import Cut

BOTH = "stack: shop\nvolumes: {data: {size: 1 MiB}, more: {size: 1 MiB}}\n"
ONE = "stack: shop\nvolumes: {more: {size: 1 MiB}}\n"


@pytest.fixture
def files(herocloud: Any, spawn: Any) -> Cut:
    """Make two volumes as files."""
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    herocloud.write(BOTH)
    herocloud.done("apply", "-y", "-q")
    return Cut(herocloud, spawn)


def _volumes(herocloud: Any) -> set[str]:
    return {path.name for path in (herocloud.data_folder / "volumes").rglob("*.raw")}


def _kept(herocloud: Any) -> set[str]:
    """Return whose deleted data is kept."""
    return {line.split()[1] for line in herocloud("state", "gc", "--all", "--no-input").out.splitlines() if line.startswith("shop ")}


@pytest.mark.parametrize(
    ("point", "cut_off"),
    [
        ("images.volume.delete.half:1", "apply.finish.before:1"),
        ("images.volume.delete.half:1", "apply.perform.after:volume.delete:1"),
        ("images.volume.delete.half:2", "apply.finish.before:1"),
        ("apply.perform.after:volume.delete:1", "apply.finish.before:1"),
    ],
)
def test_an_undo_can_still_be_taken_back_when_the_purge_was_cut_off_as_it_closed_it(files: Cut, point: str, cut_off: str) -> None:
    files.kill(point, "undo", "-y", "-q")
    files.kill(cut_off, "destroy", "-y", "-q", "--purge")
    left = files.preview()
    assert left
    assert all(one["comes_back"] for one in left.values())
    files.herocloud.done("resume", "--rollback", "-y")
    assert _volumes(files.herocloud) == {"data.raw", "more.raw"}
    assert "No changes." in files.herocloud.done("plan").out


def test_a_purge_that_ends_keeps_nothing_of_what_it_showed(files: Cut) -> None:
    files.kill("images.volume.delete.half:1", "undo", "-y", "-q")
    ran = files.herocloud.done("destroy", "-y", "--purge")
    assert ran.out.count("1 MiB of data is destroyed at once") == 2
    assert files.herocloud.done("state", "gc", "--all", "-y").out == "There is nothing to remove.\n"
    assert _volumes(files.herocloud) == set()
    assert [path.name for path in (files.herocloud.data_folder).rglob("*") if path.is_file() and path.stat().st_size == 1024**2] == []


def test_what_had_come_back_is_destroyed_and_what_had_not_is_kept(herocloud: Any, spawn: Any) -> None:
    herocloud.write(BOTH)
    herocloud.done("apply", "-y", "-q")
    herocloud.done("destroy", "-y", "-q")
    Cut(herocloud, spawn).kill("apply.perform.after:volume.create:1", "undo", "-y", "-q")
    shown = herocloud.done("destroy", "-y", "--purge").out
    destroyed = {address for address in ("volume.data", "volume.more") if f"{address}   delete   1 MiB of data is destroyed" in shown}
    assert destroyed
    assert _kept(herocloud) == {"volume.data", "volume.more"} - destroyed


def test_an_apply_that_is_finished_in_passing_keeps_the_data_that_it_said_it_keeps(files: Cut) -> None:
    files.herocloud.write(ONE)
    files.kill("apply.begin.after:1", "apply", "-y", "-q")
    files.herocloud.done("apply", "-y", "--purge")
    assert _kept(files.herocloud) == {"volume.data"}
    files.herocloud.done("undo", "apply-2", "-y")
    assert _volumes(files.herocloud) == {"data.raw", "more.raw"}


def test_a_removal_that_says_it_keeps_data_keeps_what_a_purge_was_about_to_destroy(files: Cut) -> None:
    files.kill("images.volume.delete.half:1", "destroy", "-y", "-q", "--purge")
    ran = files.herocloud.done("destroy", "-y")
    shown = {line.split()[1] for line in ran.out.splitlines() if "of data is kept for 7 days" in line}
    assert shown
    assert _kept(files.herocloud) == shown
    files.herocloud.done("undo", "-y")
    assert {f"{address.removeprefix('volume.')}.raw" for address in shown} <= _volumes(files.herocloud)
