"""A data folder that somebody else may write to is refused before anything is changed."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.kits import access_lists
from herocloud.model.errors import Refused
from herocloud.state import folder_trust
from tests.access_lists import give_access

STACK = "stack: shop\nnetworks: {lan: {cidr: 10.42.0.0/24}}\n"
_STATE_FILES = ("state.db", "state.db-wal", "state.lineage", "daemon.db", "host.yaml", "secret.key")
_INNER_FILES = (*_STATE_FILES, "images/digests.json", "boot/.digests.json", "images/store/0a.raw", "volumes/shop/spare.raw")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give folders away")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Return a folder that others may enter: those that pytest makes are closed to them."""
    with tempfile.TemporaryDirectory(prefix="herocloud-trust-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_folder_of_ones_own_is_trusted(tmp_path: Path) -> None:
    folder_trust.require(tmp_path)
    folder_trust.require(tmp_path / "not" / "there" / "yet")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_everybody_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "state.db").touch()
    tmp_path.chmod(mode)
    with pytest.raises(Refused) as refused:
        folder_trust.require(tmp_path)
    (found,) = refused.value.diagnostics
    assert (found.code, "everybody may write to" in found.detail) == ("state-untrusted", True)


@pytest.mark.world
def test_a_folder_that_was_trusted_is_judged_again_once_it_or_a_parent_was_opened_to_others(reachable: Path) -> None:
    folder = reachable / "inner" / "data"
    for place in (folder.parent, folder):
        place.mkdir(mode=0o755)
    folder_trust.require(folder)
    (folder / "state.db").touch()
    for place in (folder, folder.parent):
        place.chmod(0o777)
        with pytest.raises(Refused):
            folder_trust.require(folder)
        place.chmod(0o755)
        folder_trust.require(folder)


@pytest.mark.world
@pytest.mark.parametrize("inner", ["vms", "vms/v1", "vms/v1/vmm", "images", "volumes", "boot/contents"])
def test_a_folder_inside_that_decides_what_runs_is_judged_too(reachable: Path, inner: str) -> None:
    place = reachable / inner
    place.mkdir(parents=True)
    (reachable / "state.db").touch()
    folder_trust.require(reachable, with_vms=True)
    place.chmod(0o777)
    with pytest.raises(Refused) as refused:
        folder_trust.require(reachable, with_vms=True)
    assert f"everybody may write to `{place}`" in refused.value.diagnostics[0].detail
    reachable.chmod(0o700)
    # Where nobody else can enter, nobody else writes.
    folder_trust.require(reachable, with_vms=True)


@pytest.mark.world
@pytest.mark.parametrize("inner", [*_INNER_FILES, "volumes/shop", "images/store", "images/names/shop", "locks"])
def test_what_decides_what_runs_is_refused_by_plan_and_apply_when_others_may_write_to_it(reachable: Path, inner: str) -> None:
    place = reachable / inner
    place.parent.mkdir(parents=True, exist_ok=True)
    if inner in _INNER_FILES:
        place.touch(mode=0o600)
    else:
        place.mkdir(mode=0o700)
    assert folder_trust.find(reachable) == []
    place.chmod(0o722)
    (found,) = folder_trust.find(reachable)
    assert f"everybody may write to `{place}`" in found.detail
    # An apply plans first; the files of volumes, of which there are many, are looked at there alone.
    if not inner.startswith("volumes/shop/"):
        with pytest.raises(Refused):
            folder_trust.require(reachable, with_vms=True)


@pytest.mark.world
@pytest.mark.parametrize("inner", [".", "vms", "volumes", "state.db", "volumes/shop/spare.raw"])
def test_a_list_of_access_that_lets_others_write_counts_as_open(reachable: Path, inner: str) -> None:
    place = reachable / inner
    for folder in ("vms", "volumes/shop"):
        (reachable / folder).mkdir(parents=True, exist_ok=True)
    for name in ("state.db", "volumes/shop/spare.raw"):
        (reachable / name).touch(mode=0o600)
    give_access(place, access_lists.READ)
    assert folder_trust.find(reachable) == []
    give_access(place, access_lists.WRITE)
    (found,) = folder_trust.find(reachable)
    assert f"user 65534 may write to `{place.resolve()}`" in found.detail


@pytest.mark.world
def test_a_list_of_access_that_lets_others_in_is_no_closed_folder(reachable: Path) -> None:
    (reachable / "vms").mkdir()
    (reachable / "state.db").touch(mode=0o600)
    (reachable / "vms").chmod(0o777)
    reachable.chmod(0o700)
    assert folder_trust.find(reachable) == []
    give_access(reachable, access_lists.ENTER)
    (found,) = folder_trust.find(reachable)
    assert f"everybody may write to `{reachable / 'vms'}`" in found.detail


def test_a_folder_that_was_closed_once_is_refused_when_it_is_opened_again_with_a_state(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    folder_trust.require(tmp_path)
    (tmp_path / "state.db").touch()
    tmp_path.chmod(0o777)
    with pytest.raises(Refused):
        folder_trust.require(tmp_path)


@pytest.mark.world
def test_a_folder_behind_a_link_that_leads_elsewhere_by_now_is_judged_there(reachable: Path) -> None:
    (reachable / "good").mkdir(mode=0o755)
    (reachable / "bad").mkdir(mode=0o755)
    (reachable / "bad" / "state.db").touch()
    (reachable / "bad").chmod(0o777)
    (reachable / "link").symlink_to("good")
    folder_trust.require(reachable / "link")
    (reachable / "link").unlink()
    (reachable / "link").symlink_to("bad")
    with pytest.raises(Refused):
        folder_trust.require(reachable / "link")


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
def test_a_folder_that_holds_no_state_yet_is_closed_to_others(tmp_path: Path, mode: int) -> None:
    (tmp_path / "host.yaml").touch()
    tmp_path.chmod(mode)
    folder_trust.require(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o700


@pytest.mark.root
@needs_root
def test_a_folder_with_a_file_of_somebody_else_in_it_is_not_closed_but_refused(tmp_path: Path) -> None:
    (tmp_path / "host.yaml").touch()
    os.chown(tmp_path / "host.yaml", 12345, 0)
    tmp_path.chmod(0o777)
    with pytest.raises(Refused):
        folder_trust.require(tmp_path)


@pytest.mark.world
def test_a_parent_that_everybody_may_write_to_is_refused_unless_it_is_sticky(reachable: Path) -> None:
    inner = reachable / "open" / "data"
    inner.mkdir(parents=True, mode=0o755)
    inner.chmod(0o755)
    inner.parent.chmod(0o1777)
    folder_trust.require(inner)
    inner.parent.chmod(0o777)
    with pytest.raises(Refused):
        folder_trust.require(inner)


@pytest.mark.world
def test_a_parent_below_a_folder_that_others_cannot_enter_is_trusted(reachable: Path) -> None:
    inner = reachable / "open" / "data"
    inner.mkdir(parents=True)
    inner.chmod(0o755)
    inner.parent.chmod(0o777)
    reachable.chmod(0o700)
    folder_trust.require(inner)


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("which", ["data", "parent"])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, which: str) -> None:
    inner = tmp_path / "parent" / "data"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o755)
    os.chown(inner if which == "data" else inner.parent, 12345, 0)
    with pytest.raises(Refused) as refused:
        folder_trust.require(inner)
    assert "belongs to user 12345" in refused.value.diagnostics[0].detail


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "state.db").touch()
    (tmp_path / "real").chmod(0o777)
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(Refused):
        folder_trust.require(tmp_path / "link")


def test_an_apply_says_so_and_changes_nothing(herocloud) -> None:
    herocloud.write(STACK)
    assert herocloud("apply", "-y").code == 0
    herocloud.write(STACK.replace("10.42.", "10.43."))
    herocloud.data_folder.chmod(0o777)
    before = sorted(herocloud.data_folder.iterdir())
    ran = herocloud("apply", "-y")
    assert ran.code == 1, ran.both
    assert "The data folder is open to others" in ran.err
    assert sorted(herocloud.data_folder.iterdir()) == before


def test_a_plan_says_what_its_apply_is_refused_for(herocloud) -> None:
    herocloud.write(STACK)
    assert herocloud("apply", "-y").code == 0
    herocloud.data_folder.chmod(0o777)
    # Both where something would change and where nothing would.
    for stack in (STACK, STACK.replace("10.42.", "10.43.")):
        herocloud.write(stack)
        for words in (("plan",), ("plan", "--detailed-exitcode"), ("plan", "--out", "saved.hcplan"), ("destroy", "-y")):
            ran = herocloud(*words)
            assert (ran.code, "No changes." in ran.out) == (1, False), ran.both
            assert "The data folder is open to others" in ran.err
            assert "`chmod go-w`" in ran.err
    ran = herocloud("drift", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "The data folder is open to others" in ran.err
    herocloud.data_folder.chmod(0o700)
    herocloud.write(STACK)
    assert herocloud("plan").out.strip() == "No changes."


def test_a_plan_of_a_folder_that_an_apply_would_close_changes_nothing(herocloud) -> None:
    herocloud.data_folder.mkdir(exist_ok=True)
    herocloud.data_folder.chmod(0o777)
    herocloud.write(STACK)
    assert herocloud("plan").code == 0
    assert herocloud.data_folder.stat().st_mode & 0o7777 == 0o777
    assert herocloud("apply", "-y").code == 0
    assert herocloud.data_folder.stat().st_mode & 0o7777 == 0o700
