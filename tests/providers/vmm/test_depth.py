"""How far the cage goes on hosts that allow less, and what the doctor says of it."""

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from herocloud.kits import subprocesses
from herocloud.providers.vmm import cages, connection_guard, folders, huge_pages, loopback, offers, users
from herocloud.providers.vmm.cages import Depth
from herocloud.providers.vmm.huge_pages import HugePages
from herocloud.providers.vmm.users import Range

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def passable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that looks as if everybody may pass, on a host that allows no mounts and whose devices are for a group."""
    monkeypatch.setattr(cages, "can_mount", lambda: False)
    monkeypatch.setattr(cages, "obstacle", lambda _data: None)
    return tmp_path


@pytest.mark.root
@as_root
def test_without_mounts_a_vm_still_has_a_user_where_that_can_get_to_its_files(passable: Path, monkeypatch) -> None:
    assert cages.depth(passable) is Depth.USER
    monkeypatch.setattr(cages, "obstacle", lambda _data: "`/root` lets nobody pass who does not own it")
    assert cages.depth(passable) is Depth.CALLER
    said = {one.name: one for one in offers.offers(passable)}
    assert said["VMM: user"].says == "root without capabilities: `/root` lets nobody pass who does not own it"
    assert not said["VMM: files"].ok


def test_an_ordinary_user_keeps_its_own(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cages._can_mount.cache_clear()
    loopback._why_no_rules.cache_clear()
    try:
        assert cages.depth(tmp_path) is Depth.CALLER
        said = {one.name: one for one in offers.offers(tmp_path)}
        assert said["VMM: user"].says == "the user who runs herocloud (1000) for all VMs"
        closed = said["VMM: host's loopback"]
        assert closed.ok is connection_guard.is_possible()
        assert "a program beside each VMM" in closed.says or "cannot be had" in closed.says
    finally:
        cages._can_mount.cache_clear()
        loopback._why_no_rules.cache_clear()


@pytest.mark.parametrize(
    ("pages", "says", "way_out"),
    [
        (HugePages(512, 128, 2 * 1024**2), "128 of 512 free, 2 MiB each", ""),
        (HugePages(0, 0, 2 * 1024**2), "none are set aside, so no VM can have `hugepages: true`", "sysctl vm.nr_hugepages"),
        (HugePages(0, 0, 0), "this kernel has none, so no VM can have `hugepages: true`", "CONFIG_HUGETLBFS"),
    ],
)
def test_huge_pages_are_told_with_the_way_to_get_them(monkeypatch, tmp_path: Path, pages: HugePages, says: str, way_out: str) -> None:
    monkeypatch.setattr(huge_pages, "read", lambda: pages)
    said = {one.name: one for one in offers.offers(tmp_path)}["VMM: huge pages"]
    assert (said.says, said.ok) == (says, not way_out)
    assert way_out in said.way_out


def test_huge_pages_that_are_promised_are_not_free(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    told.write_text("HugePages_Total:   10\nHugePages_Free:    8\nHugePages_Rsvd:    3\nHugepagesize:    2048 kB\n")
    assert huge_pages.read(told) == HugePages(10, 5, 2 * 1024**2)


@pytest.mark.root
@as_root
def test_a_folder_that_nobody_may_pass_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert cages.obstacle(closed / "data") is not None
    assert not stat.S_IMODE(closed.stat().st_mode) & stat.S_IXOTH


def test_a_container_that_knows_few_users_gives_half_of_them(monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(users, "_spans", lambda: iter([(0, 65536)]))
    found = users.usable_range()
    assert found is not None
    assert found.first == 32768
    assert found.first + found.size <= 65534
    assert users.usable_range(Range(100000, 10)) is None
    monkeypatch.setattr(users, "_spans", lambda: iter([(0, 1)]))
    assert users.usable_range() is None


@pytest.mark.root
@as_root
def test_two_vms_never_get_the_same_user(tmp_path: Path) -> None:
    numbers = Range(0x7E000000, 64)
    if users.usable_range(numbers) is None:
        pytest.skip("needs a user namespace that knows all users")
    taken = []
    for sid in ("v1", "v2", "v3"):
        (tmp_path / "vms" / sid / "vmm").mkdir(parents=True)
        taken.append(users.choose(tmp_path, sid, numbers))
        assert users.choose(tmp_path, sid, numbers) == taken[-1]
    assert len({one.uid for one in taken}) == 3
    assert all(numbers.first < one.uid < numbers.first + numbers.size for one in taken)
    for sid in ("v1", "v2", "v3"):
        users.let_go(tmp_path, sid, users.read(tmp_path, sid))


def test_many_who_want_to_know_whether_mounting_works_ask_once(monkeypatch) -> None:
    asked = []

    def ask(words, **_):
        asked.append(words)
        together.wait(10)
        return subprocesses.Ran("", "")

    together = threading.Event()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(folders, "make_orders_folder", lambda: Path("/nowhere"))
    monkeypatch.setattr(cages.subprocesses, "run", ask)
    cages._can_mount.cache_clear()
    try:
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(cages.can_mount) for _ in range(8)]
            together.set()
            assert all(one.result() for one in found)
    finally:
        cages._can_mount.cache_clear()
    assert len(asked) == 1
